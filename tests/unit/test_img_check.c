#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/storage/img_check.h"

#define FILE_BYTES 262144u
#define GIB        (1ull << 30)

/* A version 3 header of a plain 1 GiB image, as qemu-img writes it. */
static void
put32(uint8_t *p, size_t at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[at + (size_t)i] = (uint8_t)(v >> (24 - 8 * i));
}

static void
put64(uint8_t *p, size_t at, uint64_t v)
{
	put32(p, at, (uint32_t)(v >> 32));
	put32(p, at + 4, (uint32_t)v);
}

static void
plain_image(uint8_t *p)
{
	memset(p, 0, IMG_HEADER_BYTES);
	put32(p, 0, 0x514649fb);
	put32(p, 4, 3);
	put32(p, 20, 16);
	put64(p, 24, GIB);
	put32(p, 36, 2);
	put64(p, 40, 196608);
	put64(p, 48, 65536);
	put32(p, 56, 1);
	put32(p, 96, 4);
	put32(p, 100, 104);
}

static uint8_t image[IMG_HEADER_BYTES];

static int
check(enum img_backing backing, struct img_facts *f, struct err *e)
{
	struct img_head h = { image, sizeof(image), FILE_BYTES };

	return img_check(&h, IMG_QCOW2, backing, f, e);
}

static void
plain_image_is_taken(void **state)
{
	struct err e = ERR_INIT;
	struct img_facts f;

	plain_image(image);
	assert_int_equal(check(IMG_BACKING_REFUSED, &f, &e), 0);
	assert_int_equal(f.virtual_bytes, GIB);
	assert_int_equal(f.cluster_bytes, 65536);
	assert_string_equal(f.backing, "");
	put32(image, 4, 2);
	assert_int_equal(check(IMG_BACKING_REFUSED, &f, &e), 0);
}

struct bad_case {
	size_t at;
	int bits; /* 32 or 64 */
	uint64_t v;
	const char *says;
};

static const struct bad_case bad_cases[] = {
	{ 0, 32, 0x11111111, "no qcow2 image" },
	{ 4, 32, 1, "qcow version 1" },
	{ 4, 32, 4, "qcow version 4" },
	{ 20, 32, 8, "clusters" },
	{ 20, 32, 22, "clusters" },
	{ 24, 64, 0, "has no size" },
	{ 24, 64, 65ull << 40, "over 64 TiB" },
	{ 24, 64, UINT64_MAX, "over 64 TiB" },
	{ 32, 32, 1, "encrypted" },
	{ 32, 32, 2, "encrypted" },
	{ 36, 32, 0, "where its size needs 2" },
	{ 36, 32, 0xffffffff, "entries" },
	{ 40, 64, 0, "at no cluster" },
	{ 40, 64, 1234, "at no cluster" },
	{ 40, 64, 1ull << 40, "truncated" },
	{ 40, 64, FILE_BYTES, "truncated" },
	{ 48, 64, 0xffffffffffff0000, "truncated" },
	{ 56, 32, 0xffffffff, "truncated" },
	{ 60, 32, 0xffffffff, "snapshots" },
	{ 72, 64, 2, "corrupt" },
	{ 72, 64, 4, "its data in another file" },
	{ 72, 64, 1ull << 40, "not known" },
	{ 100, 32, 0, "header" },
	{ 100, 32, 0xffffffff, "header" },
};

static void
each_fault_is_named(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_cases); i++) {
		const struct bad_case *c = &bad_cases[i];
		struct err e = ERR_INIT;
		struct img_facts f;

		plain_image(image);
		if (c->bits == 32)
			put32(image, c->at, (uint32_t)c->v);
		else
			put64(image, c->at, c->v);
		assert_int_equal(check(IMG_BACKING_ALLOWED, &f, &e), ERR_INVALID);
		if (!strstr(e.msg, c->says))
			fail_msg("case %zu: %s", i, e.msg);
	}
}

static void
put_backing(const char *name, size_t len)
{
	plain_image(image);
	put64(image, 8, 1024);
	put32(image, 16, (uint32_t)len);
	memcpy(image + 1024, name, len);
}

static void
backing_file_is_read_or_refused(void **state)
{
	struct err e = ERR_INIT;
	struct img_facts f;

	put_backing("/etc/passwd", 11);
	assert_int_equal(check(IMG_BACKING_REFUSED, &f, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "/etc/passwd"));
	assert_int_equal(check(IMG_BACKING_ALLOWED, &f, &e), 0);
	assert_string_equal(f.backing, "/etc/passwd");
	put_backing("a\0b", 3);
	assert_int_equal(check(IMG_BACKING_ALLOWED, &f, &e), ERR_INVALID);
	put_backing("x", 1);
	put32(image, 16, IMG_BACKING_MAX + 1);
	assert_int_equal(check(IMG_BACKING_ALLOWED, &f, &e), ERR_INVALID);
	put64(image, 8, UINT64_MAX - 1);
	assert_int_equal(check(IMG_BACKING_ALLOWED, &f, &e), ERR_INVALID);
}

static void
extensions_are_read(void **state)
{
	struct err e = ERR_INIT;
	struct img_facts f;

	plain_image(image);
	put32(image, 104, 0xe2792aca);
	put32(image, 108, 5);
	memcpy(image + 112, "qcow2", 5);
	assert_int_equal(check(IMG_BACKING_REFUSED, &f, &e), 0);
	assert_string_equal(f.backing_format, "qcow2");
	put32(image, 120, 0x44415441);
	put32(image, 124, 8);
	assert_int_equal(check(IMG_BACKING_REFUSED, &f, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "another file for its data"));
	put32(image, 120, 0x0537be77);
	assert_int_equal(check(IMG_BACKING_REFUSED, &f, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "encrypted"));
	put32(image, 120, 0x12345678);
	put32(image, 124, 0xfffffff0);
	assert_int_equal(check(IMG_BACKING_REFUSED, &f, &e), ERR_INVALID);
}

static void
truncated_headers_are_refused(void **state)
{
	struct err e = ERR_INIT;
	struct img_facts f;

	plain_image(image);
	for (size_t n = 0; n < 104; n++) {
		/* Exactly as long, so that a read behind it is seen. */
		AUTO_FREE uint8_t *cut = xmemdup(image, n ? n : 1);
		struct img_head h = { cut, n, n };

		assert_int_equal(
		    img_check(&h, IMG_QCOW2, IMG_BACKING_REFUSED, &f, &e), ERR_INVALID);
	}
}

static void
random_headers_do_no_harm(void **state)
{
	struct rng r;

	rng_seed(&r, 7);
	for (int i = 0; i < 20000; i++) {
		struct img_facts f;
		struct err e = ERR_INIT;

		plain_image(image);
		for (int k = 0; k < 3; k++)
			image[rng_below(&r, 160)] = (uint8_t)rng_next(&r);
		if (check(IMG_BACKING_ALLOWED, &f, &e) == 0)
			assert_true(f.virtual_bytes <= 64ull << 40);
	}
}

static int
check_raw(size_t n, uint64_t file_bytes, struct img_facts *f, struct err *e)
{
	struct img_head h = { image, n, file_bytes };

	return img_check(&h, IMG_RAW, IMG_BACKING_REFUSED, f, e);
}

static void
raw_is_whole_sectors(void **state)
{
	struct err e = ERR_INIT;
	struct img_facts f;

	plain_image(image);
	assert_int_equal(check_raw(512, 1024, &f, &e), 0);
	assert_int_equal(f.virtual_bytes, 1024);
	assert_int_equal(check_raw(512, 1000, &f, &e), ERR_INVALID);
	assert_int_equal(check_raw(0, 0, &f, &e), ERR_INVALID);
	assert_int_equal(img_size_check(2 * GIB, GIB, &e), ERR_NO_CAPACITY);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_image_is_taken),
		cmocka_unit_test(each_fault_is_named),
		cmocka_unit_test(backing_file_is_read_or_refused),
		cmocka_unit_test(extensions_are_read),
		cmocka_unit_test(truncated_headers_are_refused),
		cmocka_unit_test(random_headers_do_no_harm),
		cmocka_unit_test(raw_is_whole_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
