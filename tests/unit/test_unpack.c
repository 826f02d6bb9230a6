/*
 * Archives from outside: made layers as they are, or refused by name.
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
#include "base/str.h"
#include "host-agent/storage/unpack/un_layer.h"
#include "host-agent/storage/unpack/un_path.h"
#include "host-agent/storage/unpack/un_user.h"
#include "tests/lib/tar_maker.h"

#define MAX_BYTES (1ull << 30)

struct world {
	char root[64], archive[96], image[96];
	struct tar_maker t;
	uint64_t max_bytes;
	struct un_layer_facts facts;
	struct err err;
};

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	snprintf(w->root, sizeof(w->root), "/tmp/drover-unpack-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(w->archive, sizeof(w->archive), "%s/a.tar", w->root);
	snprintf(w->image, sizeof(w->image), "%s/image", w->root);
	w->max_bytes = MAX_BYTES;
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *command = xasprintf("rm -rf -- '%s'", w->root);

	tar_maker_free(&w->t);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
	free(w);
	return 0;
}

static bool
sh(const char *fmt, ...)
{
	AUTO(str) struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	return system(str_cstr(&s)) == 0; /* NOLINT(cert-env33-c): our own */
}

/* What debugfs says of a command about the image. */
static bool
says(const struct world *w, const char *command, const char *pattern)
{
	return sh("/sbin/debugfs -R '%s' %s 2>/dev/null | grep -Eq '%s'", command,
	    w->image, pattern);
}

static int
unpack_file(struct world *w, enum un_marks marks, const char *digest)
{
	struct un_layer l = {
		.archive.fd = open(w->archive, O_RDONLY | O_CLOEXEC),
		.image = w->image,
		.marks = marks,
		.digest = digest,
		.diff_id = "",
		.max_bytes = w->max_bytes,
	};
	int fd = open(w->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), rc;
	struct stat st;

	assert_true(l.archive.fd >= 0 && fd >= 0);
	assert_int_equal(fstat(l.archive.fd, &st), 0);
	l.archive.bytes = (uint64_t)st.st_size;
	err_clear(&w->err);
	rc = un_layer_make(&l, &w->facts, &w->err);
	close(l.archive.fd);
	close(fd);
	return rc;
}

static int
unpack(struct world *w, enum un_marks marks)
{
	int rc;

	tar_maker_end(&w->t);
	tar_maker_save(&w->t, w->archive);
	tar_maker_free(&w->t);
	rc = unpack_file(w, marks, "");
	if (!rc && !sh("/sbin/e2fsck -fn %s >/dev/null 2>&1", w->image))
		fail_msg("e2fsck finds the image damaged");
	return rc;
}

static void
must_unpack(struct world *w, enum un_marks marks)
{
	if (unpack(w, marks))
		fail_msg("%s", w->err.msg);
}

static void
files_keep_what_they_are(void **state)
{
	struct world *w = *state;
	const struct tar_entry entries[] = {
		{ .name = "./", .type = '5', .mode = 0755 },
		{ .name = "./bin/", .type = '5', .mode = 0751, .uid = 5, .gid = 65535 },
		{ .name = "./bin/su",
		    .type = '0',
		    .mode = 04755,
		    .data = "#!",
		    .n = 2 },
		{ .name = "./bin/other", .type = '1', .link = "./bin/su" },
		{ .name = "./lib", .type = '2', .link = "usr/lib" },
		{ .name = "./pipe", .type = '6', .mode = 0600 },
		{ .name = "./null", .type = '3', .mode = 0666 },
		{ .name = "./blue",
		    .type = '0',
		    .mode = 0644,
		    .uid = 1000,
		    .pax = "SCHILY.xattr.user.colour=blue" },
		{ .name = "./blue2",
		    .type = '0',
		    .pax = "SCHILY.xattr.trusted.overlay.redirect=/etc" },
		{ .name = "./late/deep/er", .type = '0', .mode = 0600 },
	};

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		tar_maker_add(&w->t, &entries[i]);
	must_unpack(w, UN_MARKS_ARE_FILES);
	assert_int_equal(w->facts.entries, 10);
	assert_int_equal(w->facts.devices, 1);
	assert_int_equal(w->facts.attributes, 1);
	assert_true(says(w, "stat /upper/bin", "Mode:  0751"));
	assert_true(says(w, "stat /upper/bin", "User: +5 +Group: 65535"));
	assert_true(says(w, "stat /upper/bin/su", "Mode:  04755"));
	assert_true(says(w, "stat /upper/bin/other", "Links: 2"));
	assert_true(says(w, "stat /upper/lib", "Fast link dest: .usr/lib"));
	assert_true(says(w, "stat /upper/pipe", "Type: FIFO"));
	assert_true(says(w, "stat /upper/blue", "User: +1000"));
	assert_true(says(w, "stat /upper/blue", "user.colour .4. = .blue"));
	assert_false(says(w, "stat /upper/blue2", "trusted"));
	assert_true(says(w, "stat /upper/late/deep/er", "Mode:  0600"));
	assert_true(says(w, "stat /upper/bin/su", "mtime: 0x6553f100"));
	assert_false(says(w, "stat /upper/null", "Type"));
}

static void
marks_take_away_in_layers_alone(void **state)
{
	struct world *w = *state;

	tar_maker_folder(&w->t, "etc");
	tar_maker_file(&w->t, "etc/.wh.passwd", "");
	tar_maker_file(&w->t, "var/.wh..wh..opq", "");
	tar_maker_file(&w->t, "var/here", "x");
	tar_maker_file(&w->t, ".wh..wh.plnk", "");
	must_unpack(w, UN_MARKS_TAKE_AWAY);
	assert_true(says(w, "stat /upper/etc/passwd", "Type: character special"));
	assert_true(
	    says(w, "stat /upper/etc/passwd", "Device major/minor number: 00:00"));
	assert_true(says(w, "stat /upper/var", "trusted.overlay.opaque .1. = .y"));
	assert_false(says(w, "stat /upper/.wh..wh.plnk", "Type"));
	tar_maker_file(&w->t, "etc/.wh.passwd", "as it is");
	must_unpack(w, UN_MARKS_ARE_FILES);
	assert_true(says(w, "cat /upper/etc/.wh.passwd", "as it is"));
}

static void
links_on_the_way_stay_inside(void **state)
{
	struct world *w = *state;
	const struct tar_entry out = {
		.name = "out", .type = '2', .link = "/../../etc"
	};
	const struct tar_entry lib = {
		.name = "lib", .type = '2', .link = "usr/./lib"
	};

	tar_maker_add(&w->t, &out);
	tar_maker_file(&w->t, "out/passwd", "mine");
	tar_maker_add(&w->t, &lib);
	tar_maker_file(&w->t, "lib/so", "lib");
	must_unpack(w, UN_MARKS_ARE_FILES);
	assert_true(says(w, "cat /upper/etc/passwd", "mine"));
	assert_true(says(w, "cat /upper/usr/lib/so", "lib"));
}

static void
later_entries_replace_earlier_ones(void **state)
{
	struct world *w = *state;

	tar_maker_file(&w->t, "a", "one");
	tar_maker_file(&w->t, "a", "two");
	tar_maker_folder(&w->t, "b");
	tar_maker_file(&w->t, "b", "was a folder");
	tar_maker_file(&w->t, "c", "was a file");
	tar_maker_folder(&w->t, "c");
	must_unpack(w, UN_MARKS_ARE_FILES);
	assert_true(says(w, "cat /upper/a", "two"));
	assert_true(says(w, "cat /upper/b", "was a folder"));
	assert_true(says(w, "stat /upper/c", "Type: directory"));
}

static void
long_names_and_many_files_are_fine(void **state)
{
	struct world *w = *state;
	char name[64], longest[UN_PART_MAX + 6] = "path=";

	memset(longest + 5, 'n', UN_PART_MAX);
	longest[UN_PART_MAX + 5] = '\0';
	tar_maker_add(
	    &w->t, &(struct tar_entry){ .name = "x", .type = '0', .pax = longest });
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "many/file-number-%d", i);
		tar_maker_file(&w->t, name, "");
	}
	must_unpack(w, UN_MARKS_ARE_FILES);
	assert_true(says(w, "stat /upper/many/file-number-2999", "Type: regular"));
	assert_true(says(w, "ls /upper", "nnnnnnnnnnnnnnnnnn"));
}

static void
packed_archives_are_unpacked(void **state)
{
	static const char *const tools[] = { "gzip", "xz", "zstd", "bzip2" };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (!sh("command -v %s >/dev/null", tools[i]))
			continue;
		tar_maker_file(&w->t, "a", tools[i]);
		tar_maker_end(&w->t);
		tar_maker_save(&w->t, w->archive);
		tar_maker_free(&w->t);
		assert_true(sh("%s -c %s >%s/p && mv %s/p %s", tools[i], w->archive,
		    w->root, w->root, w->archive));
		if (unpack_file(w, UN_MARKS_ARE_FILES, ""))
			fail_msg("%s: %s", tools[i], w->err.msg);
		assert_true(says(w, "cat /upper/a", tools[i]));
		/* The last bytes are missing. */
		assert_true(sh("truncate -s -9 %s", w->archive));
		assert_int_equal(unpack_file(w, UN_MARKS_ARE_FILES, ""), ERR_INVALID);
	}
}

static void
sparse_files_keep_their_holes(void **state)
{
	struct world *w = *state;
	struct stat st;

	if (!sh("cd %s && truncate -s 3G hole && printf x | dd of=hole bs=1 "
		"seek=2000000000 conv=notrunc status=none && tar -cSf a.tar hole",
		w->root))
		skip();
	if (unpack_file(w, UN_MARKS_ARE_FILES, ""))
		fail_msg("%s", w->err.msg);
	assert_true(sh("/sbin/e2fsck -fn %s >/dev/null 2>&1", w->image));
	assert_true(says(w, "stat /upper/hole", "Size: 3221225472"));
	assert_int_equal(stat(w->image, &st), 0);
	assert_in_range(st.st_blocks * 512, 1, 8 << 20);
}

/* ---- what is refused ---- */

struct bad {
	const char *what;
	struct tar_entry entries[2];
	int code;
	const char *says;
};

static char long_part[] =
    "path=d/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxx";

static const struct bad bads[] = {
	{ "absolute", { { .name = "/etc/passwd", .type = '0' } }, ERR_INVALID,
	    "\"/etc/passwd\": an absolute path" },
	{ "dots", { { .name = "a/../../etc/x", .type = '0' } }, ERR_INVALID,
	    "\"a/../../etc/x\": a path with \"..\"" },
	{ "hard link to nothing", { { .name = "a", .type = '1', .link = "b" } },
	    ERR_NOT_FOUND, "the hard link \"a\": \"b\" is not there" },
	{ "hard link out", { { .name = "a", .type = '1', .link = "/etc/shadow" } },
	    ERR_INVALID, "\"/etc/shadow\": an absolute path" },
	{ "hard link up", { { .name = "a", .type = '1', .link = "../etc/shadow" } },
	    ERR_INVALID, "with \"..\"" },
	{ "hard link of a folder",
	    { { .name = "a", .type = '5' }, { .name = "b", .type = '1', .link = "a" } },
	    ERR_INVALID, "a hard link of a folder" },
	{ "links in a circle",
	    { { .name = "a", .type = '2', .link = "a" },
		{ .name = "a/b", .type = '0' } },
	    ERR_INVALID, "\"a/b\": over 40 links" },
	{ "a file on the way",
	    { { .name = "a", .type = '0' }, { .name = "a/b", .type = '0' } },
	    ERR_INVALID, "\"a\" on the way to it is no folder" },
	{ "a full folder turned file",
	    { { .name = "a/b", .type = '0' }, { .name = "a", .type = '0' } },
	    ERR_INVALID, "\"a\" is a folder with files in it" },
	{ "a large id", { { .name = "a", .type = '0', .uid = 65536 } }, ERR_INVALID,
	    "\"a\": belongs to user 65536" },
	{ "a large group", { { .name = "a", .type = '0', .gid = 100000 } }, ERR_INVALID,
	    "\"a\": belongs to group 100000" },
	{ "a long name", { { .name = "x", .type = '0', .pax = long_part } },
	    ERR_INVALID, "a name of over 255 bytes" },
	{ "a huge file",
	    { { .name = "h", .type = '0', .pax = "size=2000000000000000" } },
	    ERR_TOO_LARGE, "\"h\": a file of over" },
	{ "a file cut off", { { .name = "cut", .type = '0', .claims = 100000 } },
	    ERR_INVALID, "cut off" },
	{ "the root as a file", { { .name = "./", .type = '2', .link = "x" } },
	    ERR_INVALID, "the root is no folder" },
	{ "a mark of nothing", { { .name = "a/.wh..", .type = '0' } }, ERR_INVALID,
	    "\"a/.wh..\": a mark that names no file" },
};

static void
hostile_archives_are_refused_by_name(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		const struct bad *b = &bads[i];
		int rc;

		for (size_t k = 0; k < 2 && b->entries[k].name; k++)
			tar_maker_add(&w->t, &b->entries[k]);
		rc = unpack(w, UN_MARKS_TAKE_AWAY);
		if (rc != b->code || !strstr(w->err.msg, b->says))
			fail_msg("%s: %d %s", b->what, rc, w->err.msg);
	}
}

static void
files_that_are_no_archives_are_refused(void **state)
{
	struct world *w = *state;

	assert_true(sh("echo 'I am a text' >%s", w->archive));
	assert_int_equal(unpack_file(w, UN_MARKS_ARE_FILES, ""), ERR_INVALID);
	assert_true(sh(": >%s", w->archive));
	assert_int_equal(unpack_file(w, UN_MARKS_ARE_FILES, ""), ERR_INVALID);
	/* Cut between two entries, where nothing else could tell. */
	tar_maker_file(&w->t, "a", "x");
	tar_maker_save(&w->t, w->archive);
	assert_int_equal(unpack_file(w, UN_MARKS_ARE_FILES, ""), ERR_INVALID);
	assert_non_null(strstr(w->err.msg, "its end is missing"));
	tar_maker_end(&w->t);
	tar_maker_save(&w->t, w->archive);
	assert_int_equal(unpack_file(w, UN_MARKS_ARE_FILES, "sha256:00"), ERR_CORRUPT);
	assert_non_null(strstr(w->err.msg, "wrong digest"));
}

static void
bombs_go_off_in_vain(void **state)
{
	struct world *w = *state;
	struct stat st;

	if (!sh("cd %s && truncate -s 64M bomb && tar -cf - bomb | gzip -1 >a.tar && rm bomb",
		w->root))
		skip();
	w->max_bytes = 32 << 20;
	assert_int_equal(unpack_file(w, UN_MARKS_ARE_FILES, ""), ERR_TOO_LARGE);
	assert_non_null(strstr(w->err.msg, "unpacks to over 33554432 bytes"));
	assert_int_equal(stat(w->image, &st), 0);
	assert_int_equal(st.st_blocks, 0);
}

/* ---- users ---- */

static const char passwd[] = "root:x:0:0::/root:/bin/sh\n"
			     "bad\n"
			     "huge:x:70000:1::/:/bin/sh\n"
			     "web:x:33:34:::\n";
static const char group[] = "root:x:0:\nweb:x:34:\nssl:x:50:web,other\nlog:x:51:other";

struct who {
	const char *user;
	int rc;
	uint32_t uid, gid;
	size_t n_groups;
};

static void
users_are_found_by_name_and_number(void **state)
{
	static const struct who table[] = {
		{ "root", 0, 0, 0, 0 },
		{ "web", 0, 33, 34, 1 },
		{ "33", 0, 33, 34, 1 },
		{ "web:log", 0, 33, 51, 0 },
		{ "1000", 0, 1000, 0, 0 },
		{ "1000:2000", 0, 1000, 2000, 0 },
		{ ":ssl", 0, 0, 50, 0 },
		{ "nobody", ERR_INVALID, 0, 0, 0 },
		{ "huge", ERR_INVALID, 0, 0, 0 },
		{ "70000", ERR_INVALID, 0, 0, 0 },
		{ "web:none", ERR_INVALID, 0, 0, 0 },
		{ "bad", ERR_INVALID, 0, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct un_user u = { .uid = 0 };
		struct err e = ERR_INIT;
		int rc = un_user_resolve(table[i].user, passwd, group, &u, &e);

		if (rc != table[i].rc || u.uid != table[i].uid ||
		    u.gid != table[i].gid || u.n_groups != table[i].n_groups)
			fail_msg("%s: %d %s", table[i].user, rc, e.msg);
	}
}

static void
new_folders_are_counted(void **state)
{
	assert_int_equal(un_path_new_folders("", "a"), 0);
	assert_int_equal(un_path_new_folders("", "a/b/c"), 2);
	assert_int_equal(un_path_new_folders("a/b", "a/b/c"), 0);
	assert_int_equal(un_path_new_folders("a/b", "a/bc/d"), 1);
	assert_int_equal(un_path_new_folders("a/b/c", "a/d"), 0);
	assert_int_equal(un_path_new_folders("x", "a/b"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    files_keep_what_they_are, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    marks_take_away_in_layers_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    links_on_the_way_stay_inside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    later_entries_replace_earlier_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    long_names_and_many_files_are_fine, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    packed_archives_are_unpacked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    sparse_files_keep_their_holes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    hostile_archives_are_refused_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    files_that_are_no_archives_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    bombs_go_off_in_vain, set_up, tear_down),
		cmocka_unit_test(users_are_found_by_name_and_number),
		cmocka_unit_test(new_folders_are_counted),
	};

	if (access("/sbin/mke2fs", X_OK)) {
		fprintf(stderr, "skipped: no mke2fs\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
