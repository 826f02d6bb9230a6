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
#include "host-agent/storage/datastore.h"
#include "proto/msg.h"
#include "tests/lib/borrow.h"

#define UUID "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a42"

struct place {
	char root[64], path[96];
};

static void
init_spec(Drover__DatastoreSpec *s, struct place *p)
{
	drover__datastore_spec__init(s);
	s->datastore = 3;
	s->uuid = borrow(UUID);
	s->name = borrow("fast");
	s->type = borrow("dir");
	s->path = p->path;
	s->create = true;
}

static int
set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	snprintf(p->root, sizeof(p->root), "/tmp/drover-store-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->path, sizeof(p->path), "%s/ds", p->root);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *command = xasprintf("rm -rf -- '%s'", p->root);

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
	free(p);
	return 0;
}

static struct datastore *
attach(struct place *p)
{
	Drover__DatastoreSpec s;
	struct datastore *ds = NULL;
	struct err e = ERR_INIT;

	init_spec(&s, p);
	if (datastore_attach(&s, p->root, &ds, &e))
		fail_msg("attach: %s", e.msg);
	return ds;
}

static void
is_made_marked_and_found_again(void **state)
{
	AUTO(datastore) struct datastore *ds = attach(*state);
	AUTO(datastore) struct datastore *again = attach(*state);
	struct datastore_room room = { 0, 0 };
	struct err e = ERR_INIT;

	assert_int_equal(datastore_look(ds, &room, &e), 0);
	assert_true(room.capacity_bytes > 0 && room.free_bytes <= room.capacity_bytes);
	assert_string_equal(datastore_uuid(again), UUID);
	assert_int_equal(datastore_number(again), 3);
}

static void
other_mark_is_another_datastore(void **state)
{
	struct place *p = *state;
	AUTO(datastore) struct datastore *ds = attach(p);
	AUTO_FREE char *mark = xasprintf("%s/" DATASTORE_MARK, p->path);
	struct datastore *other = NULL;
	struct datastore_room room;
	Drover__DatastoreSpec s;
	struct err e = ERR_INIT;

	init_spec(&s, p);
	s.uuid = borrow("00000000-6b9b-4a35-9f0d-2f1a3f6f0a42");
	assert_int_equal(datastore_attach(&s, p->root, &other, &e), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "is another datastore"));
	/* What an unmounted file system leaves: the folder without the mark. */
	assert_int_equal(unlink(mark), 0);
	assert_int_equal(datastore_look(ds, &room, &e), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "is it mounted?"));
	s.uuid = borrow(UUID);
	s.create = false;
	assert_int_equal(datastore_attach(&s, p->root, &other, &e), ERR_UNAVAILABLE);
	assert_null(other);
}

static void
only_below_the_roots(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *link = xasprintf("%s/link", p->root);
	AUTO_FREE char *sibling = xasprintf("%s-sibling", p->root);
	AUTO_FREE char *roots = xasprintf("/nonexistent,%s", p->root);
	static const char *const out[] = { "/etc", "/", "relative", "/tmp/../etc" };
	struct datastore *ds = NULL;
	Drover__DatastoreSpec s;
	struct err e = ERR_INIT;

	init_spec(&s, p);
	for (size_t i = 0; i < ARRAY_SIZE(out); i++) {
		s.path = borrow(out[i]);
		assert_int_not_equal(datastore_attach(&s, roots, &ds, &e), 0);
	}
	/* A name that begins alike is no place below it, and must not be made. */
	s.path = sibling;
	assert_int_equal(datastore_attach(&s, roots, &ds, &e), ERR_DENIED);
	assert_int_equal(access(sibling, F_OK), -1);
	assert_int_equal(symlink("/etc", link), 0);
	s.path = link;
	assert_int_equal(datastore_attach(&s, roots, &ds, &e), ERR_DENIED);
	assert_int_equal(access("/etc/" DATASTORE_MARK, F_OK), -1);
	s.path = p->path;
	s.type = borrow("nfs");
	assert_int_equal(datastore_attach(&s, roots, &ds, &e), ERR_UNSUPPORTED);
	s.type = borrow("dir");
	assert_int_equal(datastore_attach(&s, "", &ds, &e), ERR_DENIED);
	assert_int_equal(datastore_attach(&s, roots, &ds, &e), 0);
	datastore_unref(ds);
}

static void
init_write(Drover__FileWrite *w, const char *path, const char *text, uint64_t offset)
{
	drover__file_write__init(w);
	w->path = borrow(path);
	w->data.data = (uint8_t *)borrow(text);
	w->data.len = strlen(text);
	w->offset = offset;
	w->truncate = offset == 0;
}

static void
files_are_written_in_pieces(void **state)
{
	struct place *p = *state;
	AUTO(datastore) struct datastore *ds = attach(p);
	AUTO_FREE char *path = xasprintf("%s/upload/a/image", p->path);
	Drover__FileListing *l = NULL;
	Drover__FileWrite w;
	struct err e = ERR_INIT;
	struct datastore_written done = { 0 };
	char buf[16] = "";
	FILE *f;

	init_write(&w, "upload/a/image", "hello ", 0);
	assert_int_equal(datastore_write(ds, &w, &done, &e), 0);
	assert_int_equal(done.size_bytes, 6);
	init_write(&w, "upload/a/image", "world", 6);
	w.last = true;
	assert_int_equal(datastore_write(ds, &w, &done, &e), 0);
	/* The same piece once more changes nothing. */
	assert_int_equal(datastore_write(ds, &w, &done, &e), 0);
	assert_int_equal(done.size_bytes, 11);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(buf, sizeof(buf), f));
	fclose(f);
	assert_string_equal(buf, "hello world");
	assert_int_equal(datastore_list(ds, "upload/a", &l, &e), 0);
	assert_int_equal(l->n_files, 1);
	assert_string_equal(l->files[0]->path, "image");
	assert_int_equal(l->files[0]->size_bytes, 11);
	drover__file_listing__free_unpacked(l, NULL);
	assert_int_equal(datastore_delete(ds, "upload/a/image", &e), 0);
	assert_int_equal(datastore_delete(ds, "upload/a/image", &e), 0);
	assert_int_equal(datastore_list(ds, "", &l, &e), 0);
	/* The mark is nobody's business. */
	assert_int_equal(l->n_files, 1);
	assert_true(l->files[0]->is_folder);
	drover__file_listing__free_unpacked(l, NULL);
}

static void
bad_writes_are_refused(void **state)
{
	AUTO(datastore) struct datastore *ds = attach(*state);
	Drover__FileWrite w;
	struct err e = ERR_INIT;
	struct datastore_written done = { 0 };

	init_write(&w, "../escape", "x", 0);
	assert_int_equal(datastore_write(ds, &w, &done, &e), ERR_INVALID);
	init_write(&w, DATASTORE_MARK, "x", 0);
	assert_int_equal(datastore_write(ds, &w, &done, &e), ERR_DENIED);
	assert_int_equal(datastore_delete(ds, DATASTORE_MARK, &e), ERR_DENIED);
	assert_int_equal(datastore_delete(ds, "vms/vm-1/disk-0.qcow2", &e), ERR_DENIED);
	assert_int_equal(datastore_delete(ds, "templates", &e), ERR_DENIED);
	assert_int_equal(datastore_path_is_users("vms2/x", &e), 0);
	init_write(&w, "f", "x", UINT64_MAX);
	assert_int_equal(datastore_write(ds, &w, &done, &e), ERR_INVALID);
	init_write(&w, "f", "x", 0);
	w.data.len = MAX_FILE_CHUNK + 1;
	assert_int_equal(datastore_write(ds, &w, &done, &e), ERR_TOO_LARGE);
}

#define PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		PLACE(is_made_marked_and_found_again),
		PLACE(other_mark_is_another_datastore),
		PLACE(only_below_the_roots),
		PLACE(files_are_written_in_pieces),
		PLACE(bad_writes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
