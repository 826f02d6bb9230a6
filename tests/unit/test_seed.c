/*
 * Seeds read back: by their bytes, and by the system's own tools where they are there.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/storage/seed.h"
#include "tests/lib/borrow.h"

#define SECTOR 2048u
#define ROOT   20u
#define MIB    (1u << 20)

static Drover__SeedSpec
spec_of(const char *meta, const char *user, const char *net)
{
	Drover__SeedSpec s = DROVER__SEED_SPEC__INIT;

	s.meta_data = borrow(meta);
	s.user_data = borrow(user);
	s.network_config = borrow(net);
	return s;
}

/* The file of that name, found as a reader finds it; NULL if it is not there. */
static const char *
file_of(const struct str *image, const char *name, size_t *ret_n)
{
	const uint8_t *p = (const uint8_t *)image->s + (size_t)ROOT * SECTOR;

	for (; p[0]; p += p[0]) {
		uint32_t sector = p[2] | (uint32_t)p[3] << 8;

		assert_int_equal(p[2], p[9]);
		if (p[32] != strlen(name) || memcmp(p + 33, name, p[32]) != 0)
			continue;
		*ret_n = p[10] | (uint32_t)p[11] << 8 | (uint32_t)p[12] << 16;
		assert_true((size_t)sector * SECTOR + *ret_n <= image->len);
		return image->s + (size_t)sector * SECTOR;
	}
	return NULL;
}

static void
holds(const struct str *image, const char *name, const char *text)
{
	size_t n = 0;
	const char *at = file_of(image, name, &n);

	assert_non_null(at);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(at, text, n);
}

static void
volume_has_the_three_files(void **state)
{
	Drover__SeedSpec s = spec_of("instance-id: i-1\n", "#cloud-config\n", "");
	AUTO(str) struct str image = STR_INIT;
	size_t n;

	assert_int_equal(seed_build(&s, &image, NULL), 0);
	assert_int_equal(image.len, MIB);
	assert_memory_equal(image.s + 16 * SECTOR + 1, "CD001", 5);
	assert_memory_equal(image.s + 16 * SECTOR + 40, "CIDATA    ", 10);
	holds(&image, "META-DATA.;1", "instance-id: i-1\n");
	holds(&image, "USER-DATA.;1", "#cloud-config\n");
	holds(&image, "NETWORK-CONFIG.;1", "");
	assert_null(file_of(&image, "VENDOR-DATA.;1", &n));
}

/* The root's records of a guest's texts lie beside each other, whatever their size. */
static void
large_texts_do_not_overlap(void **state)
{
	AUTO_FREE char *big = xcalloc(1, SEED_TEXT_MAX + 2);
	AUTO(str) struct str image = STR_INIT;
	struct err e = ERR_INIT;
	Drover__SeedSpec s;

	memset(big, 'x', SEED_TEXT_MAX);
	s = spec_of("a", big, big);
	assert_int_equal(seed_build(&s, &image, &e), 0);
	assert_int_equal(image.len, 3 * MIB);
	holds(&image, "USER-DATA.;1", big);
	holds(&image, "NETWORK-CONFIG.;1", big);
	big[SEED_TEXT_MAX] = 'x';
	str_reset(&image);
	assert_int_equal(seed_build(&s, &image, &e), ERR_TOO_LARGE);
	assert_non_null(strstr(e.msg, "network_config"));
}

static void
same_texts_give_the_same_bytes(void **state)
{
	Drover__SeedSpec s = spec_of("a", "b", "c");
	AUTO(str) struct str one = STR_INIT, two = STR_INIT;

	assert_int_equal(seed_build(&s, &one, NULL), 0);
	assert_int_equal(seed_build(&s, &two, NULL), 0);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.s, two.s, one.len);
}

static void
open_seed_cannot_be_written(void **state)
{
	Drover__SeedSpec s = spec_of("a", "b", "c");
	AUTO_CLOSE int fd = -1;
	AUTO_CLOSE int none = 7;
	AUTO_FREE char *path = NULL;
	struct err e = ERR_INIT;
	struct stat st;
	char c;

	assert_int_equal(seed_open(NULL, &none, &e), 0);
	assert_int_equal(none, -1);
	assert_int_equal(seed_open(&s, &fd, &e), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(pread(fd, &c, 1, 16 * SECTOR + 1), 1);
	assert_int_equal(c, 'C');
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, MIB);
	/* Nor by opening it anew. */
	path = xasprintf("/proc/self/fd/%d", fd);
	int again = open(path, O_RDWR | O_CLOEXEC);
	assert_true(again < 0 || write(again, "x", 1) < 0);
	if (again >= 0)
		close(again);
}

/* Somebody else's reading of the label, where blkid is there. */
static void
blkid_finds_the_label(void **state)
{
	Drover__SeedSpec s = spec_of("a", "b", "c");
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *command = NULL;
	char line[64] = "";
	FILE *out;

	if (access("/usr/sbin/blkid", X_OK))
		skip();
	assert_int_equal(seed_open(&s, &fd, NULL), 0);
	command = xasprintf(
	    "/usr/sbin/blkid -p -o value -s LABEL /proc/%d/fd/%d", (int)getpid(), fd);
	out = popen(command, "r"); /* NOLINT(cert-env33-c): our own */
	assert_non_null(out);
	assert_non_null(fgets(line, sizeof(line), out));
	assert_int_equal(pclose(out), 0);
	assert_string_equal(line, "CIDATA\n");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(volume_has_the_three_files),
		cmocka_unit_test(large_texts_do_not_overlap),
		cmocka_unit_test(same_texts_give_the_same_bytes),
		cmocka_unit_test(open_seed_cannot_be_written),
		cmocka_unit_test(blkid_finds_the_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
