#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/oci/oci_sync.h"

#define CHUNK  OCI_SYNC_CHUNK
#define CHUNKS 9000u /* in three parts of the table */
#define BYTES  (CHUNKS * (off_t)CHUNK + 1000)

struct bed {
	char dir[32];
	int from, to;
	int ends[2]; /* giver's, taker's */
	struct oci_sync *out;
	pthread_t taker;
	int rc;
	struct err e;
};

static int
image(const struct bed *b, const char *name, off_t bytes)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static int
set_up(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	strcpy(b->dir, "/tmp/drover-sync-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->from = image(b, "from", BYTES);
	b->to = image(b, "to", BYTES);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b->ends), 0);
	b->out = oci_sync_new(b->from);
	*state = b;
	return 0;
}

static int
tear_down(void **state)
{
	struct bed *b = *state;

	oci_sync_free(b->out);
	close(b->from);
	close(b->to);
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
	return 0;
}

static void
put(int fd, unsigned chunk, const char *text)
{
	assert_int_equal(
	    pwrite(fd, text, strlen(text), chunk * (off_t)CHUNK + 5), strlen(text));
}

static void *
take(void *arg)
{
	struct bed *b = arg;
	struct oci_wire w = { .fd = b->ends[1] };
	struct oci_sync *in = oci_sync_new(b->to);

	b->rc = oci_sync_take(in, &w, &b->e);
	oci_sync_free(in);
	close(b->ends[1]);
	return NULL;
}

static void
begin_take(struct bed *b)
{
	assert_int_equal(pthread_create(&b->taker, NULL, take, b), 0);
}

static int
end_take(struct bed *b)
{
	close(b->ends[0]);
	pthread_join(b->taker, NULL);
	return b->rc;
}

static void
same(const struct bed *b)
{
	static uint8_t a[CHUNK], c[CHUNK];

	for (off_t at = 0; at < BYTES; at += CHUNK) {
		ssize_t n = pread(b->from, a, sizeof(a), at);

		assert_int_equal(pread(b->to, c, sizeof(c), at), n);
		if (memcmp(a, c, (size_t)n) != 0)
			fail_msg("chunk %lld differs", (long long)(at / CHUNK));
	}
}

static uint64_t
used(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void
what_changes_meanwhile_comes_too(void **state)
{
	struct bed *b = *state;
	_Atomic uint64_t bytes = 0;
	struct oci_wire w = { .fd = b->ends[0], .bytes = &bytes };
	struct err e = ERR_INIT;
	uint64_t first;

	put(b->from, 0, "stays");
	put(b->from, 3, "changes");
	put(b->from, 4, "goes");
	put(b->from, 8000, "goes with its whole part");
	put(b->to, 7, "was here before");
	assert_int_equal(pwrite(b->from, "end", 3, BYTES - 3), 3);
	begin_take(b);
	assert_int_equal(oci_sync_first(b->out, &w, &e), 0);
	first = bytes;
	put(b->from, 3, "CHANGED");
	put(b->from, 4096, "new");
	for (unsigned c = 4; c <= 8000; c += 7996)
		assert_int_equal(
		    fallocate(b->from, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			c * (off_t)CHUNK, CHUNK),
		    0);
	assert_int_equal(oci_sync_second(b->out, &w, &e), 0);
	if (end_take(b))
		fail_msg("take: %s", b->e.msg);
	same(b);
	/* Two pieces, and not the image again. */
	assert_true(bytes - first < 3 * CHUNK);
	assert_true(used(b->to) <= used(b->from));
}

static void
empty_image_costs_nothing(void **state)
{
	struct bed *b = *state;
	_Atomic uint64_t bytes = 0;
	struct oci_wire w = { .fd = b->ends[0], .bytes = &bytes };
	struct err e = ERR_INIT;

	begin_take(b);
	assert_int_equal(oci_sync_first(b->out, &w, &e), 0);
	assert_int_equal(oci_sync_second(b->out, &w, &e), 0);
	assert_int_equal(end_take(b), 0);
	assert_true(bytes < 200);
	assert_int_equal(used(b->to), 0);
}

static void
half_of_it_is_nothing(void **state)
{
	struct bed *b = *state;
	struct oci_wire w = { .fd = b->ends[0] };
	struct err e = ERR_INIT;

	put(b->from, 1, "half");
	begin_take(b);
	assert_int_equal(oci_sync_first(b->out, &w, &e), 0);
	assert_int_equal(end_take(b), ERR_LOST);
}

/* Passes on all but one byte, which it changes. */
struct liar {
	int in, out;
	uint64_t at;
};

static void *
lie(void *arg)
{
	const struct liar *l = arg;
	uint8_t buf[4096];
	uint64_t done = 0;
	ssize_t n;

	while ((n = read(l->in, buf, sizeof(buf))) > 0) {
		if (l->at >= done && l->at < done + (uint64_t)n)
			buf[l->at - done] ^= 1;
		if (write(l->out, buf, (size_t)n) != n)
			break;
		done += (uint64_t)n;
	}
	close(l->out);
	shutdown(l->in, SHUT_RDWR);
	return NULL;
}

static void
any_other_byte_is_noticed(void **state)
{
	struct bed *b = *state;
	const uint64_t at[] = { 0, 3, 13, 14, 26, 40, 26 + CHUNK + 1, 26 + CHUNK + 20 };

	put(b->from, 0, "true");
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		int hop[2];
		struct liar l = { .at = at[i] };
		struct oci_wire w;
		struct oci_sync *out = oci_sync_new(b->from);
		pthread_t thread;

		if (i > 0)
			assert_int_equal(
			    socketpair(AF_UNIX, SOCK_STREAM, 0, b->ends), 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, hop), 0);
		l.in = hop[1];
		l.out = MOVE_FD(b->ends[0]);
		w = (struct oci_wire){ .fd = hop[0] };
		err_clear(&b->e);
		begin_take(b);
		assert_int_equal(pthread_create(&thread, NULL, lie, &l), 0);
		if (!oci_sync_first(out, &w, NULL))
			(void)!oci_sync_second(out, &w, NULL);
		shutdown(hop[0], SHUT_WR);
		pthread_join(b->taker, NULL);
		pthread_join(thread, NULL);
		close(hop[0]);
		close(hop[1]);
		oci_sync_free(out);
		if (!b->rc)
			fail_msg("byte %d was changed", (int)at[i]);
	}
}

static void
other_size_is_refused(void **state)
{
	struct bed *b = *state;
	struct oci_wire w = { .fd = b->ends[0] };
	struct err e = ERR_INIT;

	assert_int_equal(ftruncate(b->to, BYTES / 2), 0);
	begin_take(b);
	(void)!oci_sync_first(b->out, &w, &e);
	assert_int_equal(end_take(b), ERR_CORRUPT);
	assert_non_null(strstr(b->e.msg, "the one here"));
}

static void
full_disk_is_said(void **state)
{
	struct bed *b = *state;
	struct oci_wire w = { .fd = b->ends[0] };
	struct err e = ERR_INIT;

	if (mount("tmpfs", b->dir, "tmpfs", 0, "size=128k"))
		skip();
	close(b->to);
	b->to = image(b, "small", BYTES);
	for (unsigned c = 0; c < 64; c++)
		put(b->from, c, "much");
	begin_take(b);
	(void)!oci_sync_first(b->out, &w, &e);
	assert_int_equal(end_take(b), ERR_NO_CAPACITY);
	close(b->to);
	b->to = -1;
	assert_int_equal(umount(b->dir), 0);
}

#define ON_BED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BED(what_changes_meanwhile_comes_too),
		ON_BED(empty_image_costs_nothing),
		ON_BED(half_of_it_is_nothing),
		ON_BED(any_other_byte_is_noticed),
		ON_BED(other_size_is_refused),
		ON_BED(full_disk_is_said),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
