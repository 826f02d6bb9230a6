/*
 * What is read of a datastore's files, and what users may put there.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/ds_file.h"
#include "proto/msg.h"
#include "tests/lib/borrow.h"

#define UUID "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a42"

static char root[64], path[80];
static struct datastore *ds;

static int
set_up(void **state)
{
	Drover__DatastoreSpec s;
	struct err e = ERR_INIT;

	snprintf(root, sizeof(root), "/tmp/drover-dsfile-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/ds", root);
	drover__datastore_spec__init(&s);
	s.uuid = borrow(UUID);
	s.name = borrow("fast");
	s.type = borrow("dir");
	s.path = path;
	s.create = true;
	if (datastore_attach(&s, root, &ds, &e))
		fail_msg("attach: %s", e.msg);
	return 0;
}

static int
tear_down(void **state)
{
	AUTO_FREE char *command = xasprintf("rm -rf -- '%s'", root);

	datastore_unref(ds);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
	return 0;
}

static void
plant(const char *name, const char *text)
{
	AUTO_FREE char *at = xasprintf("%s/%s", path, name);
	AUTO_FREE char *command = xasprintf("mkdir -p \"$(dirname '%s')\"", at);
	AUTO_CLOSE int fd = -1;

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
	fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int
read_piece(const char *name, uint64_t offset, uint32_t length, char out[32])
{
	Drover__FileRead r = DROVER__FILE_READ__INIT;
	Drover__FileData *d = NULL;
	struct err e = ERR_INIT;
	int rc;

	r.path = borrow(name);
	r.offset = offset;
	r.length = length;
	rc = ds_file_read(ds, &r, &d, &e);
	if (rc)
		return rc;
	snprintf(out, 32, "%.*s/%llu", (int)d->data.len, (const char *)d->data.data,
	    (unsigned long long)d->size_bytes);
	assert_true(d->modified_ms > 0);
	drover__file_data__free_unpacked(d, NULL);
	return 0;
}

static void
pieces_are_read(void **state)
{
	char out[32];

	plant("iso/a", "hello world");
	assert_int_equal(read_piece("iso/a", 0, 5, out), 0);
	assert_string_equal(out, "hello/11");
	assert_int_equal(read_piece("iso/a", 6, 100, out), 0);
	assert_string_equal(out, "world/11");
	assert_int_equal(read_piece("iso/a", 11, 5, out), 0);
	assert_string_equal(out, "/11");
	assert_int_equal(read_piece("iso/a", UINT64_MAX, 5, out), 0);
	assert_string_equal(out, "/11");
	assert_int_equal(read_piece("iso", 0, 5, out), ERR_INVALID);
	assert_int_equal(read_piece("iso/b", 0, 5, out), ERR_NOT_FOUND);
	assert_int_equal(
	    read_piece("iso/a", 0, MAX_FILE_CHUNK + 1, out), ERR_TOO_LARGE);
}

static void
hostile_paths_are_refused(void **state)
{
	AUTO_FREE char *link = xasprintf("%s/out", path);
	char out[32];

	plant("vms/vm-1/disk-0.qcow2", "secret");
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(read_piece("out", 0, 5, out), ERR_DENIED);
	assert_int_equal(read_piece("../ds/a", 0, 5, out), ERR_INVALID);
	assert_int_equal(read_piece("/etc/passwd", 0, 5, out), ERR_INVALID);
	assert_int_equal(read_piece("vms/vm-1/disk-0.qcow2", 0, 5, out), ERR_DENIED);
	assert_int_equal(read_piece(DATASTORE_MARK, 0, 5, out), ERR_DENIED);
	assert_int_equal(read_piece(DS_BEATS "/host-x", 0, 5, out), ERR_DENIED);
}

static void
sums_are_sha256(void **state)
{
	Drover__FileSumFacts *s = NULL;
	struct err e = ERR_INIT;

	plant("a", "abc");
	assert_int_equal(ds_file_sum(ds, "a", &s, &e), 0);
	assert_string_equal(s->sha256,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(s->size_bytes, 3);
	drover__file_sum_facts__free_unpacked(s, NULL);
	assert_int_equal(ds_file_sum(ds, "templates/x", &s, &e), ERR_DENIED);
}

static int
write_at(const char *name, const char *text, uint64_t offset, uint64_t quota,
    struct datastore_written *ret)
{
	Drover__FileWrite w = DROVER__FILE_WRITE__INIT;
	struct err e = ERR_INIT;
	int rc;

	w.path = borrow(name);
	w.data.data = (uint8_t *)borrow(text);
	w.data.len = strlen(text);
	w.offset = offset;
	w.truncate = offset == 0;
	w.quota_bytes = quota;
	rc = datastore_write(ds, &w, ret, &e);
	if (rc == ERR_NO_CAPACITY)
		assert_non_null(strstr(e.msg, "the quota for uploads is 10 bytes, "));
	return rc;
}

static void
pieces_follow_on_what_is_there(void **state)
{
	struct datastore_written done;
	char out[32];

	assert_int_equal(write_at("f", "hello ", 0, 0, &done), 0);
	assert_int_equal(write_at("f", "world", 8, 0, &done), 0);
	assert_true(done.misplaced);
	assert_int_equal(done.size_bytes, 6);
	assert_int_equal(write_at("f", "world", 3, 0, &done), 0);
	assert_true(done.misplaced);
	assert_int_equal(write_at("f", "world", 6, 0, &done), 0);
	assert_false(done.misplaced);
	assert_int_equal(done.size_bytes, 11);
	/* Repeated, as after a lost answer. */
	assert_int_equal(write_at("f", "world", 6, 0, &done), 0);
	assert_false(done.misplaced);
	assert_int_equal(read_piece("f", 0, 20, out), 0);
	assert_string_equal(out, "hello world/11");
	assert_int_equal(write_at("f", "anew", 0, 0, &done), 0);
	assert_int_equal(done.size_bytes, 4);
}

static void
quota_bounds_what_users_put_there(void **state)
{
	struct datastore_written done;
	char out[32];

	plant("vms/vm-1/disk-0.qcow2", "does not count, for it is a machine's");
	assert_int_equal(write_at("a", "12345", 0, 10, &done), 0);
	assert_int_equal(write_at("b", "123456", 0, 10, &done), ERR_NO_CAPACITY);
	assert_int_equal(write_at("b", "12345", 0, 10, &done), 0);
	assert_int_equal(write_at("b", "6", 5, 10, &done), ERR_NO_CAPACITY);
	/* What is started anew frees its room; what is refused is not touched. */
	assert_int_equal(write_at("a", "1234", 0, 10, &done), 0);
	assert_int_equal(write_at("a", "1234567", 0, 10, &done), ERR_NO_CAPACITY);
	assert_int_equal(read_piece("a", 0, 20, out), 0);
	assert_string_equal(out, "1234/4");
}

#define WRITERS 4
#define ROUNDS  50

struct writer {
	pthread_t thread;
	pthread_barrier_t *start;
	atomic_uint *fitted; /* how many fitted, of each round */
	char name[8];
};

/* In each round there is room for one byte more. */
static void *
write_in_rounds(void *arg)
{
	struct writer *t = arg;
	Drover__FileWrite w = DROVER__FILE_WRITE__INIT;
	struct datastore_written done;
	uint8_t byte = 'x';

	w.path = t->name;
	w.data.data = &byte;
	w.data.len = 1;
	for (unsigned i = 0; i < ROUNDS; i++) {
		w.quota_bytes = i + 1;
		pthread_barrier_wait(t->start);
		if (datastore_write(ds, &w, &done, NULL))
			continue;
		w.offset++;
		t->fitted[i]++;
	}
	return NULL;
}

static void
quota_holds_for_many_at_once(void **state)
{
	struct writer writers[WRITERS];
	pthread_barrier_t start;
	atomic_uint fitted[ROUNDS] = { 0 };

	assert_int_equal(pthread_barrier_init(&start, NULL, WRITERS), 0);
	for (int i = 0; i < WRITERS; i++) {
		writers[i].start = &start;
		writers[i].fitted = fitted;
		snprintf(writers[i].name, sizeof(writers[i].name), "w%d", i);
		assert_int_equal(pthread_create(&writers[i].thread, NULL,
				     write_in_rounds, &writers[i]),
		    0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(fitted[i], 1);
}

static void
what_is_not_counted_is_no_way_past_the_quota(void **state)
{
	struct datastore_written done;
	uint64_t bytes = 0;
	struct err e = ERR_INIT;

	assert_int_equal(write_at("1/2/3/4/5/6/7/8/f", "12", 0, 0, &done), 0);
	assert_int_equal(ds_users_bytes(ds, &bytes, &e), 0);
	assert_int_equal(bytes, 2);
	assert_int_equal(write_at("1/2/3/4/5/6/7/8/9/f", "34", 0, 0, &done), 0);
	assert_int_equal(ds_users_bytes(ds, &bytes, &e), ERR_NO_CAPACITY);
	assert_non_null(strstr(e.msg, "too far down"));
}

static void
names_too_long_are_the_askers_fault(void **state)
{
	struct datastore_written done;
	char name[300];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(write_at(name, "1", 0, 0, &done), ERR_INVALID);
}

static void
scan_names_what_is_ours(void **state)
{
	Drover__ScanFacts *s = NULL;
	struct err e = ERR_INIT;

	plant("vms/vm-2/disk-0.qcow2", "22");
	plant("vms/vm-1/disk-0.qcow2", "1");
	plant("templates/template-3/disk.raw", "333");
	plant("iso/users", "x");
	assert_int_equal(ds_scan(ds, &s, &e), 0);
	assert_int_equal(s->n_files, 3);
	assert_false(s->cut);
	assert_string_equal(s->files[0]->path, "templates/template-3/disk.raw");
	assert_int_equal(s->files[0]->size_bytes, 3);
	assert_string_equal(s->files[2]->path, "vms/vm-2/disk-0.qcow2");
	drover__scan_facts__free_unpacked(s, NULL);
}

static void
beats_tell_who_is_there(void **state)
{
	struct ds_beat beat = { .host = "host-a", .boot = "life", .wall_ms = 12345 };
	AUTO_FREE char *other = xasprintf("%s/" DS_BEATS "/host-old", path);
	AUTO_FREE char *folder = xasprintf("%s/" DS_BEATS, path);
	struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	Drover__FileListing *l = NULL;
	struct ds_stale stale;
	struct err e = ERR_INIT;

	if (ds_beat(ds, &beat, &stale, &e))
		fail_msg("beat: %s", e.msg);
	assert_int_equal(stale.n, 0);
	plant(DS_BEATS "/host-old", "1 x\n");
	assert_int_equal(utimensat(AT_FDCWD, other, long_ago, 0), 0);
	assert_int_equal(ds_beat(ds, &beat, &stale, &e), 0);
	assert_int_equal(stale.n, 1);
	assert_string_equal(stale.uuids[0], "old");
	/* Users do not see it. */
	assert_int_equal(datastore_list(ds, "", &l, &e), 0);
	assert_int_equal(l->n_files, 0);
	drover__file_listing__free_unpacked(l, NULL);
	/* A file where the folder should be cannot be written to. */
	AUTO_FREE char *command =
	    xasprintf("rm -rf -- '%s' && : > '%s'", folder, folder);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
	assert_int_not_equal(ds_beat(ds, &beat, &stale, &e), 0);
}

#define PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		PLACE(pieces_are_read),
		PLACE(hostile_paths_are_refused),
		PLACE(sums_are_sha256),
		PLACE(pieces_follow_on_what_is_there),
		PLACE(quota_bounds_what_users_put_there),
		PLACE(quota_holds_for_many_at_once),
		PLACE(what_is_not_counted_is_no_way_past_the_quota),
		PLACE(names_too_long_are_the_askers_fault),
		PLACE(scan_names_what_is_ours),
		PLACE(beats_tell_who_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
