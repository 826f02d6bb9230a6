/*
 * What a host tells about itself and its guests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/hosts/guest_counters.h"
#include "server/hosts/host_int.h"
#include "server/hosts/host_sync.h"
#include "server/task/task.h"

#define MB_BYTES         UINT64_C(0x100000)
#define INSIDE_ADDRESSES 16
#define END_FORESEEN_S   (UINT64_C(366) * 24 * 3600)

struct cpu_mark {
	uint64_t used_us;
	uint64_t at_ms;
	uint64_t generation; /* as the host said last */
};

/* Changes of guests that are on their way to the database. */
struct applying {
	struct pending p;
	obj_id host;
	obj_id *vms;
	size_t n;
	uint64_t ack; /* event to acknowledge after the commit, or 0 */
};

static bool
is_busy(const struct hosts *hs, obj_id vm)
{
	return map_get(hs->busy_vms, vm.v) ||
	       (hs->tasks && task_works_on(hs->tasks, vm));
}

static void
send_ack(struct host_rec *rec, uint64_t id)
{
	Drover__EventAck ack = DROVER__EVENT_ACK__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	if (id > rec->last_event)
		rec->last_event = id;
	if (!rec->conn)
		return;
	ack.id = id;
	m.body_case = DROVER__ENVELOPE__BODY_EVENT_ACK;
	m.event_ack = &ack;
	conn_send(rec->conn, &m);
}

static void
drop_applying(struct pending *p)
{
	struct applying *a = LIST_ENTRY(p, struct applying, p);

	free(a->vms);
	free(a);
}

static void
on_applied(void *arg, int rc, const struct err *e)
{
	struct applying *a = arg;
	struct hosts *hs = pending_end(&a->p);

	for (size_t i = 0; i < a->n; i++)
		map_del(hs->busy_vms, a->vms[i].v);
	struct host_rec *rec = rec_find(hs, a->host);
	if (rc)
		log_warn("hosts", "news of guests are not stored yet: %s", e->msg);
	else if (rec && a->ack)
		send_ack(rec, a->ack);
	drop_applying(&a->p);
}

static struct applying *
applying_new(struct host_rec *rec, size_t max)
{
	struct applying *a = xcalloc(1, sizeof(*a));

	a->host = rec->id;
	a->vms = xcalloc(max + 1, sizeof(*a->vms));
	return a;
}

static void
applying_send(struct host_rec *rec, struct applying *a, struct txn *t)
{
	for (size_t i = 0; i < a->n; i++)
		map_put(rec->hs->busy_vms, a->vms[i].v, rec->hs);
	pending_add(rec->hs, &a->p, drop_applying);
	txn_commit(t, on_applied, a);
}

static void
write_change(
    struct host_rec *rec, struct txn *t, obj_id id, const struct guest_change *c)
{
	struct vm *vm = txn_edit(t, id);

	vm->run_gen = c->run_gen;
	vm->started_at = c->started_ms;
	if (c->power_changed) {
		log_notice("hosts", "vm \"%s\": %s -> %s%s%s", vm->o.name,
		    power_state_text(vm->power_state), power_state_text(c->power),
		    c->reason[0] ? ": " : "", c->reason);
		vm->power_state = c->power;
		text_set(&vm->power_reason, c->reason);
	}
	/* It has ended as it wished: HA has nothing to make good. */
	if (c->event == EV_VM_GUEST_SHUTDOWN || c->event == EV_VM_SUSPENDED)
		vm->ha_protected = false;
	if (c->event >= 0)
		txn_event(t, (enum event_code)c->event, id, OBJ_ID_NONE, NULL,
		    "%s %s on host %s", vm->o.name, c->text,
		    inv_name(rec->hs->inv, rec->id));
}

static void
write_missing(struct host_rec *rec, struct txn *t, obj_id id)
{
	struct vm *vm = txn_edit(t, id);
	const char *host = inv_name(rec->hs->inv, rec->id);
	AUTO_FREE char *why = xasprintf("host %s does not know it", host);

	vm->power_state = POWER_UNKNOWN;
	text_set(&vm->power_reason, why);
	txn_event(t, EV_VM_MISSING_ON_HOST, id, OBJ_ID_NONE, NULL,
	    "%s is missing on host %s", vm->o.name, host);
}

/* Said once, until the guest is gone from the host. */
static void
tell_unknown(struct host_rec *rec, const Drover__GuestStatus *s)
{
	const struct inv *inv = rec->hs->inv;
	const struct vm *vm = inv_vm(inv, obj_id_make(KIND_VM, s->guest));

	if (map_put(rec->unknown, s->guest, rec))
		return;
	if (vm && vm->uuid && strcmp(vm->uuid, s->uuid) == 0) {
		event_post(rec->hs->inv, EV_VM_UNKNOWN_ON_HOST, rec->id, NULL,
		    "Host %s has %s too, which belongs to host %s; it is left alone",
		    inv_name(inv, rec->id), vm->o.name, inv_name(inv, vm->host));
		return;
	}
	event_post(rec->hs->inv, EV_VM_UNKNOWN_ON_HOST, rec->id, NULL,
	    "Host %s has a guest \"%.80s\" (vm-%llu, %.40s) that is not in "
	    "the inventory; it is left alone",
	    inv_name(inv, rec->id), s->name, (unsigned long long)s->guest, s->uuid);
}

static void
write_findings(struct host_rec *rec, const struct sync_finding *f, size_t n)
{
	struct applying *a = applying_new(rec, n);
	struct txn *t = txn_new(rec->hs->inv);

	for (size_t i = 0; i < n; i++) {
		obj_id id = obj_id_make(KIND_VM, f[i].number);
		switch (f[i].kind) {
		case SYNC_CHANGE:
			write_change(rec, t, id, &f[i].change);
			a->vms[a->n++] = id;
			break;
		case SYNC_MISSING:
			write_missing(rec, t, id);
			a->vms[a->n++] = id;
			break;
		case SYNC_UNKNOWN:
			tell_unknown(rec, f[i].status);
			break;
		case SYNC_RELEASE:
		case SYNC_REFUSE:
		case SYNC_TAKE_BACK:
			host_leftover_order(rec, &f[i]);
			break;
		}
	}
	if (a->n) {
		applying_send(rec, a, t);
		return;
	}
	txn_free(t);
	drop_applying(&a->p);
}

static struct sync_vm
sync_vm_of(const struct host_rec *rec, const struct vm *vm)
{
	return (struct sync_vm){
		.number = obj_id_number(vm->o.id),
		.uuid = vm->uuid,
		.busy = is_busy(rec->hs, vm->o.id),
		.elsewhere = !obj_id_is(vm->host, rec->id),
		.leased = vm->ha_protected,
		.known = { .lifecycle = vm->lifecycle,
		    .power = vm->power_state,
		    .run_gen = vm->run_gen,
		    .started_ms = vm->started_at },
	};
}

static int
by_number(const void *a, const void *b)
{
	const struct sync_vm *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Those that are in the list, and if the whole is wanted all that belong to the host.
 */
static size_t
collect_vms(const struct host_rec *rec, Drover__GuestStatus *const *guests,
    size_t n_guests, enum sync_scope scope, struct sync_vm *out)
{
	const struct inv *inv = rec->hs->inv;
	size_t n = 0;

	if (scope == SYNC_WHOLE) {
		INV_EACH(inv, KIND_VM, o)
		{
			const struct vm *vm = inv_vm(inv, o->id);
			if (obj_id_is(vm->host, rec->id))
				out[n++] = sync_vm_of(rec, vm);
		}
	}
	for (size_t i = 0; i < n_guests; i++) {
		const struct vm *vm =
		    inv_vm(inv, obj_id_make(KIND_VM, guests[i]->guest));
		if (vm && (scope == SYNC_PRESENT || !obj_id_is(vm->host, rec->id)))
			out[n++] = sync_vm_of(rec, vm);
	}
	qsort(out, n, sizeof(*out), by_number);
	return n;
}

static uint32_t
cpu_mhz_of(struct host_rec *rec, const Drover__GuestStatus *s)
{
	struct cpu_mark *mark = map_get(rec->cpu_used, s->guest);
	uint64_t now_ms = loop_now_ms(rec->hs->loop), mhz = 0;

	if (!mark) {
		mark = xcalloc(1, sizeof(*mark));
		map_put(rec->cpu_used, s->guest, mark);
	} else if (s->cpu_used_us >= mark->used_us && now_ms > mark->at_ms &&
		   rec->facts) {
		uint64_t used_ms = (s->cpu_used_us - mark->used_us) / 1000;
		mhz = used_ms * rec->facts->cpu_mhz / (now_ms - mark->at_ms);
	}
	mark->used_us = s->cpu_used_us;
	mark->generation = s->generation;
	mark->at_ms = now_ms;
	return mhz < UINT32_MAX ? (uint32_t)mhz : UINT32_MAX;
}

/* What its own agent tells; of one that has none, or is off, nothing stays. */
static void
note_inside(struct vm *vm, const Drover__GuestInside *in)
{
	json *addresses = in ? json_new_array() : NULL;

	for (size_t i = 0; in && i < in->n_addresses && i < INSIDE_ADDRESSES; i++)
		json_add_str(addresses, in->addresses[i]);
	vm->guest_agent = in && in->answers;
	vm->guest_heartbeat = in ? in->heartbeat_ms : 0;
	text_set(&vm->guest_host_name, in ? in->host_name : NULL);
	text_set(&vm->guest_os, in ? in->os : NULL);
	json_free(vm->guest_addresses);
	vm->guest_addresses = addresses;
}

static void
note_counters(struct vm *vm, const Drover__GuestStatus *s)
{
	json *fresh = guest_counters_json(s->counters, s->n_counters);

	if (!guest_counters_differ(vm->counters, fresh)) {
		json_free(fresh);
		return;
	}
	json_free(vm->counters);
	vm->counters = fresh;
}

static void
note_usage(struct host_rec *rec, const Drover__GuestStatus *s)
{
	struct inv *inv = rec->hs->inv;
	obj_id id = obj_id_make(KIND_VM, s->guest);
	const struct vm *row = inv_vm(inv, id);

	if (!row || !obj_id_is(row->host, rec->id))
		return;
	uint32_t mhz = cpu_mhz_of(rec, s);
	struct vm *vm = inv_note_begin(inv, id);
	vm->pid = s->pid > 0 ? (uint32_t)s->pid : 0;
	vm->cpu_usage_mhz = vm->pid ? mhz : 0;
	vm->memory_usage_mb = s->memory_used_bytes / MB_BYTES;
	vm->disk_usage_bytes = s->disk_used_bytes;
	note_inside(vm, s->inside);
	note_counters(vm, s);
	inv_note_end(inv, id);
}

static void
forget_unknown_gone(struct host_rec *rec, Drover__GuestStatus *const *guests, size_t n)
{
	MAP_EACH(rec->unknown, it) {
		size_t i = 0;
		while (i < n && guests[i]->guest != it.key)
			i++;
		if (i == n)
			map_del(rec->unknown, it.key);
	}
}

static void
take_guests(struct host_rec *rec, Drover__GuestStatus *const *guests, size_t n,
    enum sync_scope scope)
{
	size_t max = n + (scope == SYNC_WHOLE ? inv_count(rec->hs->inv, KIND_VM) : 0);
	AUTO_FREE struct sync_vm *vms = xcalloc(max + 1, sizeof(*vms));
	AUTO_FREE struct sync_finding *found = xcalloc(max + n + 1, sizeof(*found));

	size_t n_vms = collect_vms(rec, guests, n, scope, vms);
	size_t n_found = host_sync(vms, n_vms, guests, n, scope, found);
	if (n_found)
		write_findings(rec, found, n_found);
	for (size_t i = 0; i < n; i++)
		note_usage(rec, guests[i]);
	forget_unknown_gone(rec, guests, n);
	rec->n_guests = n;
}

void
host_forget_usage(struct host_rec *rec)
{
	MAP_EACH(rec->cpu_used, it) {
		free(it.value);
		map_del(rec->cpu_used, it.key);
	}
}

static Drover__HostFacts *
facts_dup(const Drover__HostFacts *f)
{
	size_t n = drover__host_facts__get_packed_size(f);
	AUTO_FREE uint8_t *p = xmalloc(n);

	drover__host_facts__pack(f, p);
	Drover__HostFacts *copy = drover__host_facts__unpack(NULL, n, p);
	ASSERT(copy);
	return copy;
}

void
host_take_hello(struct host_rec *rec, const Drover__Hello *h)
{
	if (rec->facts)
		drover__host_facts__free_unpacked(rec->facts, NULL);
	rec->facts = facts_dup(h->facts);
	rec->facts_new = true;
	/* Numbers of events begin anew when an agent lost its state. */
	rec->last_event = 0;
	host_forget_usage(rec);
	host_take_datastores(rec, h->n_datastores, h->datastores);
	take_guests(rec, h->guests, h->n_guests, SYNC_WHOLE);
}

/* 0: it cannot be told. */
static uint64_t
expected_end(const struct hosts *hs, const Drover__Progress *p)
{
	uint64_t left =
	    p->total_bytes > p->done_bytes ? p->total_bytes - p->done_bytes : 0;

	if (!p->bytes_per_s || left / p->bytes_per_s > END_FORESEEN_S)
		return 0;
	return clock_wall_ms(loop_clock(hs->loop)) + left / p->bytes_per_s * 1000;
}

/* A host speaks of the tasks that it was asked to work for. */
static void
note_progress(const struct host_rec *rec, const Drover__Progress *p)
{
	struct hosts *hs = rec->hs;
	obj_id id = obj_id_make(KIND_TASK, p->task);
	const struct task *row = inv_task(hs->inv, id);

	if (!row || row->state != TASK_RUNNING || !host_calls_wait(rec, p->task))
		return;
	struct task *task = inv_note_begin(hs->inv, id);
	text_set(&task->phase, p->phase);
	task->done_bytes = p->done_bytes;
	task->total_bytes = p->total_bytes;
	task->bytes_per_s = p->bytes_per_s;
	task->expected_end = expected_end(hs, p);
	inv_note_end(hs->inv, id);
}

void
host_take_report(struct host_rec *rec, const Drover__Report *r)
{
	struct hosts *hs = rec->hs;
	struct host *h = inv_note_begin(hs->inv, rec->id);

	if (!h)
		return;
	h->cpu_usage_mhz = r->cpu_usage_mhz;
	h->memory_usage_mb = r->memory_used_bytes / MB_BYTES;
	h->last_seen = clock_wall_ms(loop_clock(hs->loop));
	inv_note_end(hs->inv, rec->id);
	host_take_datastores(rec, r->n_datastores, r->datastores);
	if (r->health)
		host_health_take(rec, r->health);
	for (size_t i = 0; i < r->n_progress; i++)
		note_progress(rec, r->progress[i]);
	take_guests(rec, r->guests, r->n_guests,
	    r->n_guests < rec->n_guests ? SYNC_WHOLE : SYNC_PRESENT);
}

/* The status that an event carries, or what it says in its place. */
static void
event_status(const Drover__GuestEvent *ev, Drover__GuestStatus *s)
{
	if (ev->status) {
		*s = *ev->status;
	} else {
		drover__guest_status__init(s);
		s->guest = ev->guest;
		s->generation = ev->generation;
	}
	s->state = ev->state;
	if (!s->reason[0])
		s->reason = ev->reason;
}

/* True if it was put into t. */
static bool
write_event(struct host_rec *rec, struct txn *t, const struct vm *vm,
    const Drover__GuestEvent *ev)
{
	struct sync_vm k = sync_vm_of(rec, vm);
	Drover__GuestStatus s;
	struct guest_change change;

	event_status(ev, &s);
	if (strcmp(ev->what, "reset") == 0) {
		txn_event(t, EV_VM_RESET, vm->o.id, OBJ_ID_NONE, NULL,
		    "%s was reset from within on host %s", vm->o.name,
		    inv_name(rec->hs->inv, rec->id));
		return true;
	}
	if (strcmp(ev->what, "refused") == 0) {
		txn_event(t, EV_VM_RESOURCE_REFUSED, vm->o.id, OBJ_ID_NONE, NULL,
		    "%s was refused %.150s", vm->o.name, ev->reason);
		return true;
	}
	bool again = strcmp(ev->what, "restarted") == 0;
	bool news = guest_news(&k.known, &s, &change);
	if (again) {
		change.event = -1;
		txn_event(t, EV_VM_HA_RESTARTED_IN_PLACE, vm->o.id, OBJ_ID_NONE, NULL,
		    "%s was started again on host %s: %.150s", vm->o.name,
		    inv_name(rec->hs->inv, rec->id), ev->reason);
	}
	if (news)
		write_change(rec, t, vm->o.id, &change);
	return news || again;
}

/*
 * Of a run before the one that goes on. After a move that was undone the guest runs on
 * with an older generation than was given out last.
 */
static bool
is_old_news(
    const struct host_rec *rec, const struct vm *vm, const Drover__GuestEvent *ev)
{
	const struct cpu_mark *mark = map_get(rec->cpu_used, ev->guest);
	uint64_t runs =
	    mark && mark->generation < vm->run_gen ? mark->generation : vm->run_gen;

	return ev->generation < runs;
}

void
host_take_event(struct host_rec *rec, const Drover__GuestEvent *ev)
{
	obj_id id = obj_id_make(KIND_VM, ev->guest);
	const struct vm *vm = inv_vm(rec->hs->inv, id);

	/*
	 * What a task works on is the task's; what else there is to know after it the
	 * next report says. An older run's end is no news.
	 */
	if (ev->id <= rec->last_event || !vm || !obj_id_is(vm->host, rec->id) ||
	    is_old_news(rec, vm, ev) || is_busy(rec->hs, id)) {
		send_ack(rec, ev->id);
		return;
	}
	struct txn *t = txn_new(rec->hs->inv);
	if (!write_event(rec, t, vm, ev)) {
		txn_free(t);
		send_ack(rec, ev->id);
		return;
	}
	struct applying *a = applying_new(rec, 1);
	a->vms[a->n++] = id;
	a->ack = ev->id;
	applying_send(rec, a, t);
}
