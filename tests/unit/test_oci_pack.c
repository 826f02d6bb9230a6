#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

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
	if (oci_pack(b->from, -1, &w, &e) || oci_pack_seal(&w, &e))
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
	assert_int_equal(oci_pack(b->from, -1, &w, &e), ERR_UNSUPPORTED);
	assert_int_equal(unlinkat(b->from, "folder", AT_REMOVEDIR), 0);
	assert_int_equal(oci_pack(b->to, -1, &w, &e), ERR_IO);
	assert_string_equal(e.msg, "there are no images");
}

/* ---- a folder that is still written ---- */

struct follower {
	const struct bed *bed;
	struct oci_wire wire;
	_Atomic uint64_t bytes;
	atomic_bool is_stopped;
	int whole; /* eventfd */
	int rc;
	struct err e;
	pthread_t thread;
};

static void *
run_follower(void *arg)
{
	struct follower *f = arg;

	f->rc = oci_pack(f->bed->from, f->whole, &f->wire, &f->e);
	if (!f->rc)
		f->rc = oci_pack_seal(&f->wire, &f->e);
	return NULL;
}

static void
start_follower(struct follower *f, const struct bed *b, int stream)
{
	f->bed = b;
	f->whole = eventfd(0, EFD_CLOEXEC);
	f->wire = (struct oci_wire){ stream, &f->is_stopped, &f->bytes };
	assert_int_equal(pthread_create(&f->thread, NULL, run_follower, f), 0);
}

static void
end_follower(struct follower *f)
{
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	close(f->whole);
}

/* A part of pages-2.img, until that many bytes have gone. */
static void
grow_until(struct follower *f, int pages, uint64_t bytes)
{
	static const uint8_t part[4096] = { 7, 8, 9 };
	const struct timespec moment = { .tv_nsec = 1000000 };
	time_t end = time(NULL) + 60;

	while (f->bytes < bytes) {
		if (time(NULL) > end)
			fail_msg("%llu bytes went", (unsigned long long)f->bytes);
		assert_int_equal(write(pages, part, sizeof(part)), sizeof(part));
		nanosleep(&moment, NULL); /* between two writes of a slow writer */
	}
}

static uint64_t
size_of(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, 0), 0);
	return (uint64_t)st.st_size;
}

static void
memory_goes_as_it_is_written(void **state)
{
	const struct bed *b = *state;
	AUTO_CLOSE int pages =
	    openat(b->from, "pages-2.img", O_WRONLY | O_CREAT | O_APPEND, 0600);
	struct follower f = { .rc = 1 };
	uint8_t first[3];
	AUTO_CLOSE int come = -1;
	struct err e = ERR_INIT;

	assert_int_equal(ftruncate(b->stream, 0), 0);
	assert_int_equal(lseek(b->stream, 0, SEEK_SET), 0);
	start_follower(&f, b, b->stream);
	grow_until(&f, pages, 300000);
	grow_until(&f, pages, 600000);
	fill(b->from, "inventory.img", 77, 4);
	assert_int_equal(write(pages, "tail", 4), 4);
	assert_int_equal(eventfd_write(f.whole, 1), 0);
	end_follower(&f);
	if (f.rc || unpack(b, MUCH, &e))
		fail_msg("%s%s", f.e.msg, e.msg);
	assert_int_equal(
	    size_of(b->to, "pages-2.img"), size_of(b->from, "pages-2.img"));
	assert_int_equal(size_of(b->to, "pages-1.img"), LARGE);
	assert_int_equal(size_of(b->to, "inventory.img"), 77);
	come = openat(b->to, "pages-2.img", O_RDONLY);
	for (off_t at = 0; at + 4096 <= (off_t)size_of(b->to, "pages-2.img");
	     at += 4096) {
		assert_int_equal(pread(come, first, 3, at), 3);
		assert_memory_equal(first, "\7\10\11", 3);
	}
}

static void
who_follows_notices_that_nobody_listens(void **state)
{
	const struct bed *b = *state;
	struct follower f = { .rc = 0 };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	start_follower(&f, b, ends[0]);
	close(ends[1]);
	end_follower(&f);
	assert_int_equal(f.rc, ERR_LOST);
	close(ends[0]);
}

static void
more_of_what_never_came_is_refused(void **state)
{
	const struct bed *b = *state;
	uint8_t head[11] = { 4 };
	struct err e = ERR_INIT;

	oci_wire_put(head + 1, 5, 2);
	assert_int_equal(ftruncate(b->stream, 0), 0);
	assert_int_equal(pwrite(b->stream, OCI_PACK_MAGIC, 8, 0), 8);
	assert_int_equal(pwrite(b->stream, head, sizeof(head), 8), sizeof(head));
	assert_int_equal(pwrite(b->stream, "x.img", 5, 19), 5);
	assert_int_equal(unpack(b, MUCH, &e), ERR_CORRUPT);
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
		ON_BED(memory_goes_as_it_is_written),
		ON_BED(who_follows_notices_that_nobody_listens),
		ON_BED(more_of_what_never_came_is_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
