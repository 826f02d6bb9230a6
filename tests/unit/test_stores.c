#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"
#include "host-agent/stores/stores.h"
#include "tests/lib/agent_bed.h"

#define UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

struct world {
	struct bed *bed;
	struct disk_conf disk;
	struct stores *stores;
	char *list, *roots;
	const char *needed; /* what needed_by answers */

	unsigned answers, samples;
	struct err fault;     /* of the newest answer */
	Drover__Reply *reply; /* NULL after a fault */
	uint32_t step;
};

static void
on_reply(void *arg, struct order_name name, Drover__Reply *r_take)
{
	struct world *w = arg;

	w->answers++;
	w->fault.code = 0;
	drover__reply__free_unpacked(w->reply, NULL);
	w->reply = r_take;
}

static void
on_fail(void *arg, struct order_name name, const struct err *e)
{
	struct world *w = arg;

	w->answers++;
	w->fault = *e;
	drover__reply__free_unpacked(w->reply, NULL);
	w->reply = NULL;
}

static const char *
needed_by(void *arg, uint64_t datastore)
{
	return ((struct world *)arg)->needed;
}

static void
on_changed(void *arg)
{
}

static void
on_sampled(void *arg)
{
	((struct world *)arg)->samples++;
}

static void
open_world(struct world *w)
{
	const struct stores_ops ops = { on_reply, on_fail, needed_by, on_changed,
		on_sampled, w };
	const struct stores_conf c = {
		.loop = w->bed->loop,
		.workers = w->bed->workers,
		.savers = w->bed->workers,
		.path = w->list,
		.roots = w->roots,
		.disk = &w->disk,
	};
	struct err e = ERR_INIT;

	if (stores_open(&c, &ops, &w->stores, &e))
		fail_msg("%s", e.msg);
}

static void
restart(struct world *w)
{
	stores_free(w->stores);
	bed_restart(w->bed);
	open_world(w);
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(log_to_file("/dev/null", NULL), 0);
	w->bed = bed_new();
	w->disk = (struct disk_conf){ .uid = 64000, .gid = 64000 };
	w->list = xstrdup(bed_path(w->bed, "datastores"));
	w->roots = xstrdup(bed_path(w->bed, "allowed"));
	assert_int_equal(record_dir_make(w->roots, 0755, NULL), 0);
	assert_int_equal(record_dir_make(bed_path(w->bed, "elsewhere"), 0755, NULL), 0);
	open_world(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	stores_free(w->stores);
	bed_free(w->bed);
	drover__reply__free_unpacked(w->reply, NULL);
	free(w->list);
	free(w->roots);
	free(w);
	return 0;
}

static int
give(struct world *w, Drover__Order *o)
{
	struct order_name name = { 1, ++w->step };
	unsigned answers = w->answers;

	stores_order(w->stores, name, o);
	bed_until_count(w->bed, &w->answers, answers + 1);
	return w->fault.code;
}

static Drover__DatastoreSpec *
spec_new(const struct world *w, uint64_t number, const char *folder)
{
	Drover__DatastoreSpec *s = xcalloc(1, sizeof(*s));

	drover__datastore_spec__init(s);
	s->datastore = number;
	s->uuid = xstrdup(UUID);
	s->name = xasprintf("store-%" PRIu64, number);
	s->type = xstrdup("dir");
	s->path = xstrdup(bed_path(w->bed, folder));
	s->create = true;
	return s;
}

static int
attach(struct world *w, uint64_t number, const char *folder)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__DatastoreAttach a = DROVER__DATASTORE_ATTACH__INIT;
	int rc;

	a.spec = spec_new(w, number, folder);
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_ATTACH;
	o.datastore_attach = &a;
	rc = give(w, &o);
	drover__datastore_spec__free_unpacked(a.spec, NULL);
	return rc;
}

static int
detach(struct world *w, uint64_t number)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__DatastoreDetach d = DROVER__DATASTORE_DETACH__INIT;

	d.datastore = number;
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_DETACH;
	o.datastore_detach = &d;
	return give(w, &o);
}

static int
write_file(struct world *w, uint64_t number, const char *path, const char *text)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__FileWrite f = DROVER__FILE_WRITE__INIT;
	AUTO_FREE char *path_text = xstrdup(path);
	AUTO_FREE char *data = xstrdup(text);

	f.datastore = number;
	f.path = path_text;
	f.data.data = (uint8_t *)data;
	f.data.len = strlen(text);
	f.truncate = f.last = true;
	o.verb_case = DROVER__ORDER__VERB_FILE_WRITE;
	o.file_write = &f;
	return give(w, &o);
}

static int
list_files(struct world *w, uint64_t number, const char *path)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__FileList f = DROVER__FILE_LIST__INIT;
	AUTO_FREE char *path_text = xstrdup(path);

	f.datastore = number;
	f.path = path_text;
	o.verb_case = DROVER__ORDER__VERB_FILE_LIST;
	o.file_list = &f;
	return give(w, &o);
}

static void
sample(struct world *w)
{
	unsigned samples = w->samples;

	stores_sample(w->stores);
	bed_until_count(w->bed, &w->samples, samples + 1);
}

static bool
is_reachable(const struct world *w, const char **ret_why)
{
	static char why[240];
	Drover__DatastoreStatus **st = NULL;
	size_t n = stores_status(w->stores, &st);
	bool reachable;

	assert_int_equal(n, 1);
	reachable = st[0]->reachable;
	snprintf(why, sizeof(why), "%s", st[0]->why_not);
	*ret_why = why;
	drover__datastore_status__free_unpacked(st[0], NULL);
	free(st);
	return reachable;
}

static void
files_come_and_go(void **state)
{
	struct world *w = *state;
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__FileDelete d = DROVER__FILE_DELETE__INIT;
	char path[] = "upload/a";

	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_true(w->reply->datastore->reachable);
	assert_true(w->reply->datastore->capacity_bytes > 0);
	assert_int_equal(write_file(w, 1, "upload/a", "hello"), 0);
	assert_int_equal(w->reply->file->size_bytes, 5);
	assert_true(bed_exists(bed_path(w->bed, "allowed/one/upload/a")));
	assert_int_equal(list_files(w, 1, "upload"), 0);
	assert_int_equal(w->reply->files->n_files, 1);
	d.datastore = 1;
	d.path = path;
	o.verb_case = DROVER__ORDER__VERB_FILE_DELETE;
	o.file_delete = &d;
	assert_int_equal(give(w, &o), 0);
	assert_false(bed_exists(bed_path(w->bed, "allowed/one/upload/a")));
	assert_int_not_equal(write_file(w, 1, "../out", "x"), 0);
	assert_int_equal(write_file(w, 2, "a", "x"), ERR_NOT_FOUND);
}

static void
only_allowed_places_are_attached(void **state)
{
	struct world *w = *state;
	Drover__DatastoreStatus **st = NULL;

	assert_int_equal(attach(w, 1, "elsewhere/one"), ERR_DENIED);
	assert_int_equal(stores_status(w->stores, &st), 0);
	free(st);
	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(attach(w, 1, "allowed/two"), ERR_EXISTS);
}

static void
datastore_in_use_stays(void **state)
{
	struct world *w = *state;

	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	w->needed = "web";
	assert_int_equal(detach(w, 1), ERR_BAD_STATE);
	assert_non_null(strstr(w->fault.msg, "vm web"));
	w->needed = NULL;
	assert_int_equal(detach(w, 1), 0);
	assert_int_equal(detach(w, 1), 0);
	assert_int_equal(list_files(w, 1, ""), ERR_NOT_FOUND);
}

static void
list_outlives_the_agent(void **state)
{
	struct world *w = *state;
	struct datastore_room room;
	struct datastore *ds;
	const char *why;

	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(write_file(w, 1, "a", "x"), 0);
	restart(w);
	while (!is_reachable(w, &why))
		loop_turn(w->bed->loop, 5);
	assert_int_equal(stores_get(w->stores, 1, &ds, NULL), 0);
	assert_true(stores_room(w->stores, 1, &room));
	assert_true(room.free_bytes > 0);
}

/* A mount that is missing after a reboot must not be taken for a new datastore. */
static void
lost_datastore_is_not_made_anew(void **state)
{
	struct world *w = *state;
	struct datastore *ds;
	struct err e = ERR_INIT;
	const char *why;

	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(unlink(bed_path(w->bed, "allowed/one/" DATASTORE_MARK)), 0);
	sample(w);
	assert_false(is_reachable(w, &why));
	assert_true(strlen(why) > 0);
	restart(w);
	do {
		loop_turn(w->bed->loop, 5);
		assert_false(is_reachable(w, &why));
	} while (!strcmp(why, "not attached yet"));
	assert_int_equal(stores_get(w->stores, 1, &ds, &e), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "store-1"));
	assert_false(bed_exists(bed_path(w->bed, "allowed/one/" DATASTORE_MARK)));
}

/* The list of what is wanted must be readable when the agent begins anew. */
static void
absurd_wishes_of_the_server_are_not_kept(void **state)
{
	struct world *w = *state;
	Drover__DatastoreSpec none = DROVER__DATASTORE_SPEC__INIT;
	Drover__DatastoreSpec *vast = spec_new(w, 4, "allowed/four");
	Drover__DatastoreSpec *specs[] = { &none, vast };
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__DatastoreAttach a = DROVER__DATASTORE_ATTACH__INIT;
	Drover__DatastoreStatus **st;
	size_t n = 5u << 20;

	free(vast->name);
	vast->name = xmalloc(n + 1);
	memset(vast->name, 'x', n);
	vast->name[n] = '\0';
	stores_want(w->stores, specs, 2);
	assert_int_equal(stores_status(w->stores, &st), 0);
	free(st);
	a.spec = vast;
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_ATTACH;
	o.datastore_attach = &a;
	assert_int_equal(give(w, &o), ERR_INVALID);
	drover__datastore_spec__free_unpacked(vast, NULL);
}

/* What an order was told to be done is on disk, whenever the agent is killed. */
static void
attached_datastore_is_never_made_twice(void **state)
{
	struct world *w = *state;
	const char *why;

	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(unlink(bed_path(w->bed, "allowed/one/" DATASTORE_MARK)), 0);
	restart(w);
	do {
		loop_turn(w->bed->loop, 5);
		assert_false(is_reachable(w, &why));
	} while (!strcmp(why, "not attached yet") || !*why);
	assert_false(bed_exists(bed_path(w->bed, "allowed/one/" DATASTORE_MARK)));
}

static void
what_the_server_wants_is_attached(void **state)
{
	struct world *w = *state;
	Drover__DatastoreSpec *s = spec_new(w, 4, "allowed/four");
	const char *why;

	stores_want(w->stores, &s, 1);
	stores_want(w->stores, &s, 1);
	while (!is_reachable(w, &why))
		loop_turn(w->bed->loop, 5);
	drover__datastore_spec__free_unpacked(s, NULL);
}

static void
file_that_is_no_image_is_no_template(void **state)
{
	struct world *w = *state;
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__TemplateImport t = DROVER__TEMPLATE_IMPORT__INIT;
	char path[] = "upload/x", format[] = "qcow2";

	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(write_file(w, 1, path, "this is no image at all"), 0);
	t.template_ = 9;
	t.datastore = 1;
	t.path = path;
	t.format = format;
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_IMPORT;
	o.template_import = &t;
	assert_int_equal(give(w, &o), ERR_INVALID);
	assert_true(bed_exists(bed_path(w->bed, "allowed/one/upload/x")));
}

/* From one datastore to another, as the orders name them. */
static void
disks_become_templates_and_appliances(void **state)
{
	struct world *w = *state;
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__TemplateFromDisk t = DROVER__TEMPLATE_FROM_DISK__INIT;
	Drover__ApplianceExport x = DROVER__APPLIANCE_EXPORT__INIT;
	Drover__DiskSource source = DROVER__DISK_SOURCE__INIT;
	char disk[] = "vms/vm-1/disk-0.raw", raw[] = "raw", ova[] = "up/a.ova";
	char zeros[1024] = "";

	if (access("/usr/bin/qemu-img", X_OK))
		skip();
	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(attach(w, 2, "allowed/two"), 0);
	assert_int_equal(
	    record_dir_make(bed_path(w->bed, "allowed/one/vms"), 0711, NULL), 0);
	assert_int_equal(
	    record_dir_make(bed_path(w->bed, "allowed/one/vms/vm-1"), 0711, NULL), 0);
	bed_write(
	    bed_path(w->bed, "allowed/one/vms/vm-1/disk-0.raw"), zeros, sizeof(zeros));
	source.datastore = 1;
	source.path = disk;
	source.format = raw;
	t.template_ = 9;
	t.datastore = 2;
	t.source = &source;
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_FROM_DISK;
	o.template_from_disk = &t;
	if (give(w, &o))
		fail_msg("%s", w->fault.msg);
	assert_int_equal(w->reply->result_case, DROVER__REPLY__RESULT_TEMPLATE);
	assert_int_equal(w->reply->template_->virtual_bytes, sizeof(zeros));
	assert_true(bed_exists(
	    bed_path(w->bed, "allowed/two/templates/template-9/disk.qcow2")));
	x.datastore = 2;
	x.path = ova;
	x.source = &source;
	o.verb_case = DROVER__ORDER__VERB_APPLIANCE_EXPORT;
	o.appliance_export = &x;
	if (give(w, &o))
		fail_msg("%s", w->fault.msg);
	assert_string_equal(w->reply->file->path, "up/a.ova");
	assert_true(bed_exists(bed_path(w->bed, "allowed/two/up/a.ova")));
	source.datastore = 3;
	assert_int_equal(give(w, &o), ERR_NOT_FOUND);
	x.source = NULL;
	assert_int_equal(give(w, &o), ERR_INVALID);
}

static bool
list_names(const struct world *w, const char *folder)
{
	AUTO_FREE uint8_t *p = NULL;
	size_t n = 0;

	if (bed_exists(w->list))
		p = bed_read(w->list, &n);
	return n && memmem(p, n, folder, strlen(folder));
}

static void
damaged_list_is_read_as_far_as_it_goes(void **state)
{
	struct world *w = *state;
	Drover__DatastoreStatus **st = NULL;
	size_t n;

	assert_int_equal(attach(w, 1, "allowed/one"), 0);
	assert_int_equal(attach(w, 2, "allowed/two"), 0);
	while (!list_names(w, "allowed/two"))
		loop_turn(w->bed->loop, 5);
	stores_free(w->stores);
	bed_restart(w->bed);
	AUTO_FREE uint8_t *p = bed_read(w->list, &n);
	bed_write(w->list, p, n - 1);
	open_world(w);
	n = stores_status(w->stores, &st);
	assert_int_equal(n, 1);
	drover__datastore_status__free_unpacked(st[0], NULL);
	free(st);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(files_come_and_go),
		T(only_allowed_places_are_attached),
		T(datastore_in_use_stays),
		T(list_outlives_the_agent),
		T(lost_datastore_is_not_made_anew),
		T(attached_datastore_is_never_made_twice),
		T(what_the_server_wants_is_attached),
		T(absurd_wishes_of_the_server_are_not_kept),
		T(file_that_is_no_image_is_no_template),
		T(disks_become_templates_and_appliances),
		T(damaged_list_is_read_as_far_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
