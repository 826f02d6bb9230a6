#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/oci/oci_pack.h"

#define LARGE 700001u /* more than two reads, and no whole number of them */
#define MUCH  (1ull << 30)

struct bed {
	char from_path[32], to_path[32];
	int from, to; /* folders */
	int stream;   /* a file that holds what was packed */
	off_t bytes;
};

static void
fill(int dir, const char *name, size_t n, uint8_t seed)
{
	AUTO_FREE uint8_t *p = xmalloc(n + 1);
	AUTO_CLOSE int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + seed);
	assert_int_equal(write(fd, p, n), n);
}

static void
empty(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *f;

	while (d && (f = readdir(d)))
		if (f->d_name[0] != '.')
			unlinkat(dir, f->d_name, 0);
	if (d)
		closedir(d);
}

static struct oci_wire
wire(const struct bed *b)
{
	return (struct oci_wire){ .fd = b->stream };
}

static int
set_up(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));
	struct oci_wire w;
	struct err e = ERR_INIT;

	strcpy(b->from_path, "/tmp/drover-pack-XXXXXX");
	strcpy(b->to_path, "/tmp/drover-pack-XXXXXX");
	assert_non_null(mkdtemp(b->from_path));
	assert_non_null(mkdtemp(b->to_path));
	b->from = open(b->from_path, O_RDONLY | O_DIRECTORY);
	b->to = open(b->to_path, O_RDONLY | O_DIRECTORY);
	b->stream = memfd_create("stream", MFD_CLOEXEC);
	fill(b->from, "core-1.img", 100, 1);
	fill(b->from, "pages-1.img", LARGE, 2);
	fill(b->from, "void.img", 0, 0);
	fill(b->from, "tmpfs-dev-73.tar.gz.img", 1, 3);
	w = wire(b);
	if (oci_pack(b->from, &w, &e) || oci_pack_seal(&w, &e))
		fail_msg("pack: %s", e.msg);
	b->bytes = lseek(b->stream, 0, SEEK_CUR);
	lseek(b->stream, 0, SEEK_SET);
	*state = b;
	return 0;
}

static int
tear_down(void **state)
{
	struct bed *b = *state;

	empty(b->from);
	empty(b->to);
	close(b->from);
	close(b->to);
	close(b->stream);
	assert_int_equal(rmdir(b->from_path), 0);
	assert_int_equal(rmdir(b->to_path), 0);
	free(b);
	return 0;
}

static int
unpack(const struct bed *b, uint64_t max_bytes, struct err *e)
{
	struct oci_wire w = wire(b);

	lseek(b->stream, 0, SEEK_SET);
	err_clear(e);
	return oci_unpack(b->to, &w, max_bytes, e);
}

static void
comes_as_it_went(void **state)
{
	const struct bed *b = *state;
	static uint8_t buf[LARGE + 1];
	AUTO_CLOSE int pages = -1;
	uint64_t size = 0;
	struct stat st;
	struct err e = ERR_INIT;

	assert_int_equal(oci_pack_size(b->from, &size, &e), 0);
	assert_int_equal(size, b->bytes);
	if (unpack(b, LARGE + 101, &e))
		fail_msg("unpack: %s", e.msg);
	assert_int_equal(lseek(b->stream, 0, SEEK_CUR), b->bytes);
	pages = openat(b->to, "pages-1.img", O_RDONLY);
	assert_int_equal(read(pages, buf, sizeof(buf)), LARGE);
	for (size_t i = 0; i < LARGE; i++)
		assert_int_equal(buf[i], (uint8_t)(i * 31 + 2));
	assert_int_equal(fstatat(b->to, "void.img", &st, 0), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(fstatat(b->to, "tmpfs-dev-73.tar.gz.img", &st, 0), 0);
}

/* Not even the very last byte may be missing. */
static void
is_lost_wherever_it_is_cut(void **state)
{
	const struct bed *b = *state;
	struct err e = ERR_INIT;

	for (off_t at = b->bytes - 1; at >= 0; at -= at > b->bytes - 120 ? 1 : 97001) {
		assert_int_equal(ftruncate(b->stream, at), 0);
		if (unpack(b, MUCH, &e) != ERR_LOST)
			fail_msg("cut at %lld: %s", (long long)at, e.msg);
		empty(b->to);
	}
}

static void
any_other_byte_is_noticed(void **state)
{
	const struct bed *b = *state;
	struct err e = ERR_INIT;

	for (off_t at = 0; at < b->bytes;
	     at += at < 200 || at > b->bytes - 80 ? 1 : 70001) {
		uint8_t was, is;

		assert_int_equal(pread(b->stream, &was, 1, at), 1);
		is = was ^ 0x20;
		assert_int_equal(pwrite(b->stream, &is, 1, at), 1);
		if (!unpack(b, MUCH, &e))
			fail_msg("byte %lld was changed", (long long)at);
		empty(b->to);
		assert_int_equal(pwrite(b->stream, &was, 1, at), 1);
	}
	assert_int_equal(unpack(b, MUCH, &e), 0);
}

static void
more_than_allowed_is_refused(void **state)
{
	const struct bed *b = *state;
	struct err e = ERR_INIT;

	assert_int_equal(unpack(b, LARGE + 100, &e), ERR_TOO_LARGE);
}

static int
unpack_file(const struct bed *b, const char *name, size_t n, uint64_t size)
{
	uint8_t head[11] = { 1 };
	struct err e = ERR_INIT;

	oci_wire_put(head + 1, n, 2);
	oci_wire_put(head + 3, size, 8);
	assert_int_equal(ftruncate(b->stream, 0), 0);
	assert_int_equal(pwrite(b->stream, OCI_PACK_MAGIC, 8, 0), 8);
	assert_int_equal(pwrite(b->stream, head, sizeof(head), 8), sizeof(head));
	assert_int_equal(pwrite(b->stream, name, n, 19), n);
	return unpack(b, MUCH, &e);
}

static void
names_are_those_of_images(void **state)
{
	const struct bed *b = *state;
	static const char *const bad[] = { "../x.img", "/etc/x", ".", "..", "a/b", "-x",
		".x", "a b", "x\n", "x.img\0y" };
	char large[80];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(unpack_file(b, bad[i], i == 9 ? 7 : strlen(bad[i]), 0),
		    ERR_CORRUPT);
	memset(large, 'a', sizeof(large));
	assert_int_equal(unpack_file(b, large, sizeof(large), 0), ERR_CORRUPT);
	assert_int_equal(unpack_file(b, "", 0, 0), ERR_CORRUPT);
	assert_int_equal(unpack_file(b, "x.img", 5, UINT64_MAX), ERR_TOO_LARGE);
	assert_int_equal(unpack_file(b, "x.img", 5, 0), ERR_LOST);
	/* The same name again. */
	assert_int_equal(unpack_file(b, "x.img", 5, 0), ERR_CORRUPT);
}

static void
full_disk_is_said(void **state)
{
	struct bed *b = *state;
	AUTO_CLOSE int was = b->to;
	struct err e = ERR_INIT;

	if (mount("tmpfs", b->to_path, "tmpfs", 0, "size=256k"))
		skip();
	b->to = open(b->to_path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(unpack(b, MUCH, &e), ERR_NO_CAPACITY);
	assert_non_null(strstr(e.msg, "pages-1.img"));
	close(b->to);
	assert_int_equal(umount(b->to_path), 0);
	b->to = MOVE_FD(was);
}

static void
what_is_no_image_does_not_travel(void **state)
{
	const struct bed *b = *state;
	AUTO_CLOSE int null = open("/dev/null", O_WRONLY);
	struct oci_wire w = { .fd = null };
	struct err e = ERR_INIT;

	assert_int_equal(mkdirat(b->from, "folder", 0700), 0);
	assert_int_equal(oci_pack(b->from, &w, &e), ERR_UNSUPPORTED);
	assert_int_equal(unlinkat(b->from, "folder", AT_REMOVEDIR), 0);
	assert_int_equal(oci_pack(b->to, &w, &e), ERR_IO);
	assert_string_equal(e.msg, "there are no images");
}

#define ON_BED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BED(comes_as_it_went),
		ON_BED(is_lost_wherever_it_is_cut),
		ON_BED(any_other_byte_is_noticed),
		ON_BED(more_than_allowed_is_refused),
		ON_BED(names_are_those_of_images),
		ON_BED(full_disk_is_said),
		ON_BED(what_is_no_image_does_not_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
