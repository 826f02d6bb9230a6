/*
 * What a move has left on a host that was away when it ended: put in order with the
 * move's own orders.  Each is sent now or never: one that came late could meet the
 * guest's next move.
 */
#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/hosts/host_int.h"
#include "server/hosts/host_sync.h"

#define LEFTOVER_MS 30000u

struct leftover {
	struct pending p;
	obj_id host;
	uint64_t guest;
	const char *verb;
};

struct leftover_order {
	Drover__Order o;

	union {
		Drover__GuestRelease release;
		Drover__GuestRefuse refuse;
		Drover__GuestTakeBack take_back;
	};
};

static void
drop_leftover(struct pending *p)
{
	free(LIST_ENTRY(p, struct leftover, p));
}

static void
on_reply(void *arg, int rc, const struct err *e, const Drover__Reply *reply)
{
	AUTO_FREE struct leftover *l = arg;
	struct hosts *hs = pending_end(&l->p);
	struct host_rec *rec = hs ? rec_find(hs, l->host) : NULL;

	if (!rec)
		return;
	/* If it did not help, the host's next report asks for it again. */
	map_del(rec->leftovers, l->guest);
	if (rc)
		log_warn("hosts", "host \"%s\" does not %s vm-%llu yet: %s",
		    inv_name(hs->inv, l->host), l->verb, (unsigned long long)l->guest,
		    e->msg);
}

static char *
text_of(struct arena *mem, const json *o, const char *key)
{
	const char *s = json_str_value(json_get(o, key), NULL);

	return arena_strdup(mem, s ? s : "");
}

static Drover__DiskSpec *
kept_disk(struct arena *mem, const json *j)
{
	Drover__DiskSpec *d = arena_alloc(mem, sizeof(*d));
	const json *backing = json_get(j, "backing");
	size_t n = backing ? json_count(backing) : 0;
	obj_id datastore = OBJ_ID_NONE;
	struct err ignored = ERR_INIT;

	drover__disk_spec__init(d);
	if (!obj_id_parse(
		text_of(mem, j, "datastore"), KIND_DATASTORE, &datastore, &ignored))
		d->datastore = obj_id_number(datastore);
	d->path = text_of(mem, j, "path");
	d->backing = arena_array(mem, n + 1, sizeof(*d->backing));
	for (size_t i = 0; i < n; i++) {
		Drover__DiskLayer *l = arena_alloc(mem, sizeof(*l));

		drover__disk_layer__init(l);
		l->path = text_of(mem, json_at(backing, i), "path");
		d->backing[d->n_backing++] = l;
	}
	return d;
}

static void
keep_disks(struct arena *mem, const json *disks, Drover__GuestRelease *to)
{
	size_t n = disks ? json_count(disks) : 0;
	Drover__DiskSpec **all =
	    arena_array(mem, to->n_kept_disks + n + 1, sizeof(*all));

	for (size_t i = 0; i < to->n_kept_disks; i++)
		all[i] = to->kept_disks[i];
	for (size_t i = 0; i < n; i++)
		all[to->n_kept_disks++] = kept_disk(mem, json_at(disks, i));
	to->kept_disks = all;
}

/* Without them nothing is deleted. */
static void
keep_all_in_use(struct arena *mem, const struct inv *inv, const struct vm *vm,
    Drover__GuestRelease *to)
{
	keep_disks(mem, vm->disks, to);
	INV_EACH(inv, KIND_SNAPSHOT, o)
	{
		if (obj_id_is(o->parent, vm->o.id))
			keep_disks(mem, inv_snapshot(inv, o->id)->disks, to);
	}
}

/* What to order, and what to call it. */
static const char *
fill(struct arena *mem, const struct inv *inv, const struct sync_finding *f,
    struct leftover_order *to)
{
	const struct vm *vm = inv_vm(inv, obj_id_make(KIND_VM, f->number));

	drover__order__init(&to->o);
	switch (f->kind) {
	case SYNC_RELEASE:
		drover__guest_release__init(&to->release);
		to->release.guest = f->number;
		to->release.generation = vm ? vm->run_gen : f->status->generation;
		if (vm)
			keep_all_in_use(mem, inv, vm, &to->release);
		to->o.verb_case = DROVER__ORDER__VERB_GUEST_RELEASE;
		to->o.guest_release = &to->release;
		return "release";
	case SYNC_REFUSE:
		drover__guest_refuse__init(&to->refuse);
		to->refuse.guest = f->number;
		to->refuse.generation = f->status->generation;
		to->o.verb_case = DROVER__ORDER__VERB_GUEST_REFUSE;
		to->o.guest_refuse = &to->refuse;
		return "refuse";
	case SYNC_TAKE_BACK:
		drover__guest_take_back__init(&to->take_back);
		to->take_back.guest = f->number;
		to->o.verb_case = DROVER__ORDER__VERB_GUEST_TAKE_BACK;
		to->o.guest_take_back = &to->take_back;
		return "take back";
	case SYNC_CHANGE:
	case SYNC_MISSING:
	case SYNC_UNKNOWN:
		break;
	}
	return NULL;
}

void
host_leftover_order(struct host_rec *rec, const struct sync_finding *f)
{
	struct hosts *hs = rec->hs;
	AUTO(arena) struct arena *mem = arena_new();
	struct leftover_order order;
	const char *verb = fill(mem, hs->inv, f, &order);

	if (!verb || map_get(rec->leftovers, f->number))
		return;
	struct leftover *l = xcalloc(1, sizeof(*l));
	l->host = rec->id;
	l->guest = f->number;
	l->verb = verb;
	order.o.task = host_call_number(hs);
	order.o.step = 1;
	if (!host_call_now(rec, &order.o, LEFTOVER_MS, on_reply, l)) {
		free(l);
		return;
	}
	pending_add(hs, &l->p, drop_leftover);
	map_put(rec->leftovers, f->number, rec);
	log_notice("hosts", "host \"%s\" is told to %s vm-%llu after a move",
	    inv_name(hs->inv, rec->id), verb, (unsigned long long)f->number);
}
