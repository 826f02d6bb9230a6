#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "server/hosts/agent_fake_int.h"

void
fake_fill_store(uint64_t number, Drover__DatastoreStatus *s)
{
	drover__datastore_status__init(s);
	s->datastore = number;
	s->reachable = true;
	s->capacity_bytes = UINT64_C(102400) * MB_BYTES;
	s->free_bytes = UINT64_C(51200) * MB_BYTES;
}

int
fake_no_guest(uint64_t number, struct err *e)
{
	return err_set(
	    e, ERR_NOT_FOUND, "no guest vm-%llu here", (unsigned long long)number);
}

static int
do_start(struct agent_fake *a, const Drover__GuestStart *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->guest);

	if (!g && (o->make_disks || o->claim)) {
		fake_guest_make(a, o->guest, o->spec->uuid);
		g = map_get(a->guests, o->guest);
	}
	if (!g)
		return fake_no_guest(o->guest, e);
	if (o->generation < g->gen)
		return err_set(e, ERR_STALE, "generation %llu is older than %llu",
		    (unsigned long long)o->generation, (unsigned long long)g->gen);
	if (g->state == DROVER__GUEST_STATE__GUEST_RUNNING)
		return o->generation == g->gen
			   ? 0
			   : err_set(e, ERR_BAD_STATE, "it runs already");
	g->gen = o->generation;
	g->state = DROVER__GUEST_STATE__GUEST_RUNNING;
	g->started_ms = clock_wall_ms(loop_clock(a->loop));
	g->reason[0] = '\0';
	g->starts++;
	fake_take_claim(a, g, o->claim);
	return 0;
}

static int
do_state(struct agent_fake *a, uint64_t number, Drover__GuestState to, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, number);

	if (!g)
		return fake_no_guest(number, e);
	g->state = to;
	return 0;
}

void
fake_delete_disk(struct agent_fake *a, const Drover__DiskSpec *d)
{
	AUTO_FREE char *key =
	    xasprintf("%llu/%s", (unsigned long long)d->datastore, d->path);

	map_put_str(a->deleted, key, a);
}

bool
agent_fake_deleted(const struct agent_fake *a, uint64_t datastore, const char *path)
{
	AUTO_FREE char *key = xasprintf("%llu/%s", (unsigned long long)datastore, path);

	return map_get_str(a->deleted, key) != NULL;
}

static int
do_delete(struct agent_fake *a, const Drover__GuestDelete *o, struct err *e)
{
	uint64_t number = o->guest;
	struct fake_guest *g = map_get(a->guests, number);

	if (g && g->state == DROVER__GUEST_STATE__GUEST_RUNNING)
		return err_set(e, ERR_BAD_STATE, "it runs");
	for (size_t i = 0; o->spec && !o->keep_disks && i < o->spec->n_disks; i++)
		fake_delete_disk(a, o->spec->disks[i]);
	free(map_del(a->guests, number));
	return 0;
}

static void
do_attach(struct agent_fake *a, uint64_t store)
{
	for (size_t i = 0; i < a->n_stores; i++) {
		if (a->stores[i] == store)
			return;
	}
	ASSERT(a->n_stores < MAX_STORES);
	a->stores[a->n_stores++] = store;
}

static int
do_guest_order(struct agent_fake *a, const Drover__Order *o, struct err *e)
{
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_GUEST_CREATE:
		fake_guest_make(
		    a, o->guest_create->spec->guest, o->guest_create->spec->uuid);
		return 0;
	case DROVER__ORDER__VERB_GUEST_START:
		return do_start(a, o->guest_start, e);
	case DROVER__ORDER__VERB_GUEST_STOP:
		if (!map_get(a->guests, o->guest_stop->guest))
			return 0;
		return do_state(
		    a, o->guest_stop->guest, DROVER__GUEST_STATE__GUEST_STOPPED, e);
	case DROVER__ORDER__VERB_GUEST_PAUSE:
		return do_state(
		    a, o->guest_pause->guest, DROVER__GUEST_STATE__GUEST_PAUSED, e);
	case DROVER__ORDER__VERB_GUEST_RESUME:
		return do_state(
		    a, o->guest_resume->guest, DROVER__GUEST_STATE__GUEST_RUNNING, e);
	case DROVER__ORDER__VERB_GUEST_SUSPEND:
		return do_state(a, o->guest_suspend->guest,
		    DROVER__GUEST_STATE__GUEST_SUSPENDED, e);
	case DROVER__ORDER__VERB_GUEST_DELETE:
		return do_delete(a, o->guest_delete, e);
	default:
		return 0;
	}
}

int
fake_do_order(struct agent_fake *a, const Drover__Order *o, struct err *e)
{
	int rc;

	a->works++;
	if (a->watcher)
		a->watcher(o, a->watcher_arg);
	if (a->fail_next.code) {
		*e = a->fail_next;
		err_clear(&a->fail_next);
		return e->code;
	}
	if (fake_do_move(a, o, &rc, e))
		return rc;
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_DATASTORE_ATTACH:
		do_attach(a, o->datastore_attach->spec->datastore);
		return 0;
	case DROVER__ORDER__VERB_DATASTORE_DETACH:
		a->n_stores = 0;
		return 0;
	case DROVER__ORDER__VERB_FILE_WRITE:
		a->written = o->file_write->offset + o->file_write->data.len;
		return 0;
	default:
		return do_guest_order(a, o, e);
	}
}

/* Of images that go from host to host. */
static void
fill_copy(const Drover__Order *o, Drover__Reply *r, struct fake_results *to)
{
	static char address[] = "10.9.0.1";
	static char *addresses[] = { address };

	if (o->verb_case == DROVER__ORDER__VERB_IMAGE_RECEIVE) {
		drover__arrive_ready__init(&to->ready);
		to->ready.addresses = addresses;
		to->ready.n_addresses = 1;
		to->ready.port = 7447;
		r->result_case = DROVER__REPLY__RESULT_ARRIVE_READY;
		r->arrive_ready = &to->ready;
	}
	if (o->verb_case == DROVER__ORDER__VERB_IMAGE_SEND ||
	    o->verb_case == DROVER__ORDER__VERB_IMAGE_RECEIVED) {
		drover__copy_facts__init(&to->copy);
		to->copy.bytes = 1024 * MB_BYTES;
		r->result_case = DROVER__REPLY__RESULT_COPY;
		r->copy = &to->copy;
	}
}

/* The root of containers: one layer below it, and what its image runs. */
static void
fill_root(const Drover__Order *o, struct fake_results *to)
{
	const Drover__DiskSource *source =
	    o->verb_case == DROVER__ORDER__VERB_TEMPLATE_FROM_DISK
		? o->template_from_disk->source
		: NULL;
	static char path[] = "templates/1/disk.ext4", format[] = "ext4";
	static char below[] = "templates/1/layer-1.ext4", init[] = "/bin/init";
	static char *args[] = { init };

	to->tpl.path = path;
	to->tpl.format = format;
	drover__disk_layer__init(&to->layer);
	to->layer.path = below;
	to->layer.format = format;
	to->layers[0] = &to->layer;
	to->tpl.layers = source ? source->backing : to->layers;
	to->tpl.n_layers = source ? source->n_backing : ARRAY_SIZE(to->layers);
	if (source)
		return;
	drover__container_spec__init(&to->container);
	to->container.args = args;
	to->container.n_args = ARRAY_SIZE(args);
	to->tpl.container = &to->container;
}

static bool
is_root(const Drover__Order *o)
{
	if (o->verb_case == DROVER__ORDER__VERB_TEMPLATE_IMPORT)
		return o->template_import->container;
	return str_same(o->template_from_disk->source->format, "ext4");
}

void
fake_fill_result(struct agent_fake *a, const Drover__Order *o, Drover__Reply *r,
    struct fake_results *to)
{
	Drover__TemplateFacts *tpl = &to->tpl;
	Drover__FileFacts *file = &to->file;
	static char path[] = "templates/1/disk.qcow2", format[] = "qcow2";

	fill_copy(o, r, to);
	if (o->verb_case == DROVER__ORDER__VERB_TEMPLATE_IMPORT ||
	    o->verb_case == DROVER__ORDER__VERB_TEMPLATE_FROM_DISK) {
		drover__template_facts__init(tpl);
		tpl->path = path;
		tpl->format = format;
		tpl->virtual_bytes = 1024 * MB_BYTES;
		if (is_root(o))
			fill_root(o, to);
		r->result_case = DROVER__REPLY__RESULT_TEMPLATE;
		r->template_ = tpl;
	}
	if (o->verb_case == DROVER__ORDER__VERB_FILE_WRITE) {
		drover__file_facts__init(file);
		file->path = o->file_write->path;
		file->size_bytes = a->written;
		r->result_case = DROVER__REPLY__RESULT_FILE;
		r->file = file;
	}
	if (o->verb_case == DROVER__ORDER__VERB_DATASTORE_ATTACH) {
		fake_fill_store(o->datastore_attach->spec->datastore, &to->store);
		r->result_case = DROVER__REPLY__RESULT_DATASTORE;
		r->datastore = &to->store;
	}
}
