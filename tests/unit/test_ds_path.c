#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/ds_path.h"

struct place {
	char dir[64];
	int fd;
};

static int
set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	snprintf(p->dir, sizeof(p->dir), "/tmp/drover-path-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *command = xasprintf("rm -rf -- '%s'", p->dir);

	close(p->fd);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
	free(p);
	return 0;
}

static void
bad_paths_are_refused(void **state)
{
	static const char *const bad[] = { "", "/", "/etc/passwd", "..", ".", "a/..",
		"../a", "a/../b", "a//b", "a/", "a/./b", "a\nb", "\xff", "a/\x7f" };
	struct err e = ERR_INIT;
	char big[DS_PATH_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ds_path_check(bad[i], &e), ERR_INVALID);
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(ds_path_check(big, &e), ERR_INVALID);
	assert_int_equal(ds_path_check("a", &e), 0);
	assert_int_equal(ds_path_check("vms/vm-1/..disk.qcow2", &e), 0);
	assert_int_equal(ds_path_check("\xc3\xa9/a b", &e), 0);
}

static void
links_are_not_followed(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	int fd = -1;

	assert_int_equal(symlinkat("/etc", p->fd, "out"), 0);
	assert_int_equal(symlinkat("/etc/passwd", p->fd, "file"), 0);
	assert_int_equal(mkdirat(p->fd, "real", 0700), 0);
	assert_int_equal(symlinkat("real", p->fd, "inside"), 0);
	assert_int_equal(
	    ds_path_open(p->fd, "out/passwd", O_RDONLY, 0, &fd, &e), ERR_DENIED);
	assert_int_equal(ds_path_open(p->fd, "file", O_RDONLY, 0, &fd, &e), ERR_DENIED);
	assert_int_equal(
	    ds_path_open(p->fd, "inside/x", O_RDWR | O_CREAT, 0600, &fd, &e),
	    ERR_DENIED);
	/* A link where a folder should be is no folder. */
	assert_int_equal(ds_path_mkdirs(p->fd, "out/new", 0700, &e), ERR_INVALID);
	assert_int_equal(ds_path_remove(p->fd, "out/passwd", &e), ERR_INVALID);
	assert_int_equal(fd, -1);
	/* The link itself may go. */
	assert_int_equal(ds_path_remove(p->fd, "file", &e), 0);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void
fifo_does_not_hold_us_up(void **state)
{
	struct place *p = *state;
	AUTO_CLOSE int fd = -1;

	assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
	assert_int_equal(ds_path_open(p->fd, "fifo", O_RDONLY, 0, &fd, NULL), 0);
}

static void
folders_are_made_and_removed(void **state)
{
	struct place *p = *state;
	AUTO_CLOSE int fd = -1;
	struct err e = ERR_INIT;

	assert_int_equal(ds_path_mkdirs(p->fd, "a/b/c", 0711, &e), 0);
	assert_int_equal(ds_path_mkdirs(p->fd, "a/b/c", 0711, &e), 0);
	assert_int_equal(
	    ds_path_open(p->fd, "a/b/c/f", O_RDWR | O_CREAT, 0600, &fd, &e), 0);
	assert_int_equal(ds_path_remove(p->fd, "a/b/c", &e), ERR_BAD_STATE);
	assert_int_equal(ds_path_remove(p->fd, "a/b/c/f", &e), 0);
	assert_int_equal(ds_path_remove(p->fd, "a/b/c/f", &e), 0);
	assert_int_equal(ds_path_remove(p->fd, "a/b/c", &e), 0);
	assert_int_equal(ds_path_remove(p->fd, "no/such/thing", &e), 0);
	assert_int_equal(
	    ds_path_open(p->fd, "a/none", O_RDONLY, 0, &fd, &e), ERR_NOT_FOUND);
}

static void
relative_names(void **state)
{
	static const char *const cases[][3] = {
		{ "vms/vm-1/disk-0.qcow2", "templates/template-2/disk.qcow2",
		    "../../templates/template-2/disk.qcow2" },
		{ "a", "b", "b" },
		{ "a/b", "a/c", "c" },
		{ "a/b/c", "a/d", "../d" },
		{ "a", "b/c", "b/c" },
		{ "ab/x", "abc/y", "../abc/y" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *got = ds_path_relative(cases[i][0], cases[i][1]);

		assert_string_equal(got, cases[i][2]);
	}
}

#define PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_paths_are_refused),
		PLACE(links_are_not_followed),
		PLACE(fifo_does_not_hold_us_up),
		PLACE(folders_are_made_and_removed),
		cmocka_unit_test(relative_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
