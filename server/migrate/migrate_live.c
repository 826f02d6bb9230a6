/*
 * A machine goes while it runs.
 *
 * Up to copy everything can be undone.  From copy on the target is asked, and it alone,
 * whether the machine is there: until it has answered nobody is told to run it.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/rng.h"
#include "server/migrate/migrate_int.h"
#include "server/ops/vm_spec.h"
#include "server/protect/protect.h"

#define KEY_BYTES       32
#define SHAPE_MAX       65536u
#define ORDER_MS        60000u
#define COPY_MS         (24u * 60 * 60 * 1000)
#define ASK_MS          (30u * 24 * 60 * 60 * 1000) /* longer than any host is away */
#define ASK_AGAIN_MS    5000u
#define DOWNTIME_MS     100u
#define DOWNTIME_MAX_MS 2000u
#define GIVE_UP_S       600u
#define MB_BYTES        UINT64_C(0x100000)

/* A repeated order of another name, for what was answered with no answer. */
#define AGAIN_STEP(s, n) (UNDO_STEP(s) + 100u * (uint32_t)(n))

static void
set_bytes(json *args, const char *name, const void *p, size_t n)
{
	AUTO_FREE char *hex = xmalloc(2 * n + 1);

	hex_encode(p, n, hex);
	json_set_str(args, name, hex);
}

static ProtobufCBinaryData
get_bytes(struct arena *mem, const json *args, const char *name)
{
	const char *hex = arg_str(args, name);
	ProtobufCBinaryData b = { .len = hex ? strlen(hex) / 2 : 0 };
	struct err ignored = ERR_INIT;

	b.data = arena_alloc(mem, b.len + 1);
	if (hex && hex_decode(hex, b.data, b.len, &ignored))
		b.len = 0;
	return b;
}

static char *
uuid_of(struct arena *mem, const struct task_run *r, obj_id host)
{
	const struct host *h = inv_host(r->inv, host);

	return arena_strdup(mem, h && h->uuid ? h->uuid : "");
}

/* Names of the disks that come over the channel. */
static char **
copied_disks(struct arena *mem, const struct vm *vm, const json *args, size_t *ret_n)
{
	size_t n = vm->disks ? json_count(vm->disks) : 0;
	char **names = arena_array(mem, n + 1, sizeof(*names));

	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		const json *d = json_at(vm->disks, i);
		if (mig_disk_moves(d, args))
			names[(*ret_n)++] = arena_strdup(mem, arg_str(d, "name"));
	}
	return names;
}

/* Of those, the ones that find there what is below them. */
static char **
top_disks(struct arena *mem, const struct vm *vm, const json *args, size_t *ret_n)
{
	const json *after = json_get(args, "disks");
	size_t n = after ? json_count(after) : 0;
	char **names = arena_array(mem, n + 1, sizeof(*names));

	*ret_n = 0;
	for (size_t i = 0; i < n && i < json_count(vm->disks); i++) {
		const json *backing = json_get(json_at(after, i), "backing");
		if (mig_disk_moves(json_at(vm->disks, i), args) && backing &&
		    json_count(backing))
			names[(*ret_n)++] =
			    arena_strdup(mem, arg_str(json_at(after, i), "name"));
	}
	return names;
}

enum flow_rc
mig_offer_start(struct task_run *r)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestOffer offer = DROVER__GUEST_OFFER__INIT;

	offer.guest = obj_id_number(r->entity);
	o.verb_case = DROVER__ORDER__VERB_GUEST_OFFER;
	o.guest_offer = &offer;
	return run_order(r, mig_from(r), &o, ORDER_MS);
}

static int
refuse_offer(const Drover__Offer *offer, struct err *e)
{
	struct mig_verdict v = { .n = 0 };

	for (size_t i = 0; i < offer->n_obstacles && v.n < MIG_REASONS_MAX; i++) {
		v.v[v.n].code = ERR_BAD_STATE;
		snprintf(
		    v.v[v.n].text, sizeof(v.v[v.n].text), "%s", offer->obstacles[i]);
		v.n++;
	}
	if (offer->shape.len > SHAPE_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "the machine's shape is %zu bytes; a move takes up to %u",
		    offer->shape.len, SHAPE_MAX);
	return mig_verdict_err(&v, e);
}

enum flow_rc
mig_offer_finish(struct task_run *r, int rc)
{
	const Drover__Reply *reply = run_reply(r, mig_from(r), MIG_OFFER);

	if (rc)
		return run_order_finish(r, rc);
	if (!reply || reply->result_case != DROVER__REPLY__RESULT_OFFER) {
		err_set(task_err(r), ERR_INTERNAL, "host %s made no offer",
		    inv_name(r->inv, mig_from(r)));
		return FLOW_FAIL;
	}
	if (refuse_offer(reply->offer, task_err(r)))
		return FLOW_FAIL;
	set_bytes(r->args, "shape", reply->offer->shape.data, reply->offer->shape.len);
	json_set_bool(r->args, "running", reply->offer->running);
	return FLOW_NEXT;
}

/* With the step: the generation is the target's from now on, whatever comes. */
void
mig_prepare_store(struct task_run *r, struct txn *t)
{
	struct vm *vm = txn_edit(t, r->entity);
	uint8_t key[KEY_BYTES];

	if (!vm)
		return;
	rng_secret(key, sizeof(key));
	set_bytes(r->args, "key", key, sizeof(key));
	vm->run_gen++;
	json_set_u64(r->args, "generation", vm->run_gen);
}

enum flow_rc
mig_prepare_start(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestArrive arrive = DROVER__GUEST_ARRIVE__INIT;
	const struct vm *vm = run_vm(r);

	if (!vm)
		return FLOW_FAIL;
	struct vm after = mig_vm_after(r, vm);
	protect_begin(r->inv, &after, after.host);
	arrive.spec = vm_spec(mem, r->inv, &after);
	arrive.claim = protect_claim(mem, r->inv, &after, after.host);
	arrive.generation = arg_u64(r->args, "generation", 0);
	arrive.key = get_bytes(mem, r->args, "key");
	arrive.shape = get_bytes(mem, r->args, "shape");
	arrive.source_uuid = uuid_of(mem, r, mig_from(r));
	arrive.running = arg_bool(r->args, "running", true);
	arrive.copied_disks = copied_disks(mem, vm, r->args, &arrive.n_copied_disks);
	o.verb_case = DROVER__ORDER__VERB_GUEST_ARRIVE;
	o.guest_arrive = &arrive;
	return run_order(r, mig_to(r), &o, ORDER_MS);
}

enum flow_rc
mig_prepare_finish(struct task_run *r, int rc)
{
	const Drover__Reply *reply = run_reply(r, mig_to(r), MIG_PREPARE);

	if (rc && rc != ERR_LOST)
		err_wrap(task_err(r), "host %s", inv_name(r->inv, mig_to(r)));
	if (rc)
		return run_order_finish(r, rc);
	if (!reply || reply->result_case != DROVER__REPLY__RESULT_ARRIVE_READY) {
		err_set(task_err(r), ERR_INTERNAL, "host %s does not say where to send",
		    inv_name(r->inv, mig_to(r)));
		return FLOW_FAIL;
	}
	json *list = json_new_array();
	for (size_t i = 0; i < reply->arrive_ready->n_addresses; i++)
		json_add_str(list, reply->arrive_ready->addresses[i]);
	json_set_json(r->args, "addresses", list);
	json_set_u64(r->args, "port", reply->arrive_ready->port);
	return FLOW_NEXT;
}

static void
fill_refuse(const struct task_run *r, Drover__Order *o, Drover__GuestRefuse *refuse)
{
	drover__guest_refuse__init(refuse);
	refuse->guest = obj_id_number(r->entity);
	refuse->generation = arg_u64(r->args, "generation", 0);
	o->verb_case = DROVER__ORDER__VERB_GUEST_REFUSE;
	o->guest_refuse = refuse;
}

enum flow_rc
mig_prepare_undo(struct task_run *r)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestRefuse refuse;

	/* One that is away is told when it is back (host_sync). */
	if (!arg_has(r->args, "generation") || mig_host_is_away(r, mig_to(r)))
		return FLOW_NEXT;
	fill_refuse(r, &o, &refuse);
	return run_undo_order(r, mig_to(r), &o, ORDER_MS);
}

static void
fill_policy(const struct task_run *r, Drover__MovePolicy *p)
{
	const json *a = r->args;

	drover__move_policy__init(p);
	p->downtime_ms = (uint32_t)arg_u64(a, "downtime_ms", DOWNTIME_MS);
	p->downtime_max_ms =
	    p->downtime_ms > DOWNTIME_MAX_MS ? p->downtime_ms : DOWNTIME_MAX_MS;
	p->bytes_per_s = arg_u64(a, "bandwidth_mb", 0) * MB_BYTES;
	p->auto_converge = arg_bool(a, "auto_converge", true);
	p->give_up_s = GIVE_UP_S;
}

static void
fill_addresses(struct arena *mem, const json *args, Drover__GuestLeave *leave)
{
	const json *list = json_get(args, "addresses");
	size_t n = list ? json_count(list) : 0;

	leave->addresses = arena_array(mem, n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		leave->addresses[leave->n_addresses++] =
		    arena_strdup(mem, json_str_value(json_at(list, i), NULL));
	leave->port = (uint32_t)arg_u64(args, "port", 0);
}

static void
order_leave(struct task_run *r, const struct vm *vm)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestLeave leave = DROVER__GUEST_LEAVE__INIT;
	Drover__MovePolicy policy;

	fill_policy(r, &policy);
	fill_addresses(mem, r->args, &leave);
	leave.guest = obj_id_number(r->entity);
	leave.generation = arg_u64(r->args, "generation", 0);
	leave.key = get_bytes(mem, r->args, "key");
	leave.target_uuid = uuid_of(mem, r, mig_to(r));
	leave.policy = &policy;
	leave.copied_disks = copied_disks(mem, vm, r->args, &leave.n_copied_disks);
	leave.top_disks = top_disks(mem, vm, r->args, &leave.n_top_disks);
	o.verb_case = DROVER__ORDER__VERB_GUEST_LEAVE;
	o.guest_leave = &leave;
	mig_order(r, mig_from(r), &o, ORDER_STEP(MIG_COPY), COPY_MS);
}

/* Never fails: once begun, only the target can tell how it ended. */
enum flow_rc
mig_copy_start(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	mig_note_begin(r);
	if (!vm || mig_host_is_away(r, mig_from(r)))
		return FLOW_NEXT;
	order_leave(r, vm);
	/* It may never come back, and the machine be there all the same. */
	hosts_wait(run_ops(r)->hosts, task_wake(r));
	return FLOW_WAIT;
}

static void
take_facts(struct task_run *r, const Drover__MoveFacts *f)
{
	json *j = json_new_object();

	json_set_u64(j, "total_ms", f->total_ms);
	json_set_u64(j, "downtime_ms", f->downtime_ms);
	json_set_u64(j, "setup_ms", f->setup_ms);
	json_set_u64(j, "bytes", f->bytes);
	json_set_u64(j, "rounds", f->rounds);
	json_set_u64(j, "dirty_bytes_per_s", f->dirty_bytes_per_s);
	json_set_u64(j, "wire_bytes_per_s", f->wire_bytes_per_s);
	json_set_bool(j, "throttled", f->throttled);
	json_set_bool(j, "post_copied", f->post_copied);
	json_set_str(j, "note", f->note);
	json_set_json(r->args, "facts", j);
}

/* The move is not wanted any more: the target is to say no, if it still can. */
static void
give_up(struct task_run *r, int code, const char *why)
{
	json_set_bool(r->args, "refuse", true);
	json_set_str(r->args, "why_code", err_name(code));
	json_set_str(r->args, "why", why);
}

enum flow_rc
mig_copy_finish(struct task_run *r, int rc)
{
	const Drover__Reply *reply = run_reply(r, mig_from(r), MIG_COPY);

	if (!rc && !reply)
		return FLOW_AGAIN; /* some host came or went */
	if (rc)
		give_up(r, rc, task_err(r)->msg);
	else if (reply->result_case == DROVER__REPLY__RESULT_MOVE)
		take_facts(r, reply->move);
	return FLOW_NEXT;
}

enum flow_rc
mig_copy_undo(struct task_run *r)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestTakeBack take_back = DROVER__GUEST_TAKE_BACK__INIT;

	/* One that is away is told when it is back (host_sync). */
	if (mig_host_is_away(r, mig_from(r)))
		return FLOW_NEXT;
	take_back.guest = obj_id_number(r->entity);
	o.verb_case = DROVER__ORDER__VERB_GUEST_TAKE_BACK;
	o.guest_take_back = &take_back;
	return run_undo_order(r, mig_from(r), &o, ORDER_MS);
}

static enum flow_rc
ask_whether_it_came(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestArrived arrived = DROVER__GUEST_ARRIVED__INIT;

	arrived.guest = obj_id_number(r->entity);
	arrived.generation = arg_u64(r->args, "generation", 0);
	arrived.key = get_bytes(mem, r->args, "key");
	o.verb_case = DROVER__ORDER__VERB_GUEST_ARRIVED;
	o.guest_arrived = &arrived;
	return mig_order(r, mig_to(r), &o, ORDER_STEP(MIG_SWITCH), ASK_MS);
}

static enum flow_rc
ask_to_refuse(struct task_run *r)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestRefuse refuse;

	fill_refuse(r, &o, &refuse);
	return mig_order(r, mig_to(r), &o,
	    AGAIN_STEP(MIG_SWITCH, arg_u64(r->args, "tries", 0)), ASK_MS);
}

enum flow_rc
mig_switch_start(struct task_run *r)
{
	if (arg_bool(r->args, "pause", false)) {
		task_pause(r, ASK_AGAIN_MS);
		return FLOW_WAIT;
	}
	AUTO_FREE char *what = xasprintf("waiting for %s to say whether it has %s",
	    inv_name(r->inv, mig_to(r)), r->entity_name);
	task_set_waiting(r, what);
	return arg_bool(r->args, "refuse", false) ? ask_to_refuse(r)
						  : ask_whether_it_came(r);
}

static void
take_arrival(struct task_run *r)
{
	const Drover__Reply *reply = run_reply(r, mig_to(r), MIG_SWITCH);

	if (!reply || !reply->arrived)
		return;
	json_set_u64(r->args, "outage_us", reply->arrived->outage_us);
	json_set_str(r->args, "outage_why_not", reply->arrived->outage_why_not);
}

/* What its target says of one that was refused; "": nothing of its own. */
static const char *
target_says(const struct task_run *r)
{
	const Drover__Reply *reply = host_call_reply(run_ops(r)->hosts, mig_to(r),
	    obj_id_number(r->id), AGAIN_STEP(MIG_SWITCH, arg_u64(r->args, "tries", 0)));

	return reply && reply->arrived ? reply->arrived->lost_why : "";
}

/* It is not there and never will be: the source may have it back. */
static enum flow_rc
not_there(struct task_run *r)
{
	const char *to = inv_name(r->inv, mig_to(r));
	const char *why = arg_str(r->args, "why");
	struct err *e = task_err(r);
	struct err said = *e;
	const char *target;

	if (!why) {
		err_set(e, ERR_LOST, "host %s: %s", to, said.msg);
		return FLOW_FAIL;
	}
	err_set(e, err_from_name(arg_str(r->args, "why_code")), "%s", why);
	/* A source that finds its stream broken does not know the reason. */
	target = target_says(r);
	if (*target && (e->code == ERR_LOST || e->code == ERR_IO))
		err_set(e, ERR_LOST, "host %s: %.150s (%.60s)", to, target, why);
	return FLOW_FAIL;
}

static enum flow_rc
judge_arrival(struct task_run *r, int rc)
{
	switch (rc) {
	case 0:
		take_arrival(r);
		return FLOW_NEXT;
	case ERR_LOST:
	case ERR_NOT_FOUND:
		return not_there(r);
	default:
		/* That says nothing; to refuse has only two answers. */
		give_up(r, rc, task_err(r)->msg);
		return FLOW_AGAIN;
	}
}

static enum flow_rc
judge_refusal(struct task_run *r, int rc)
{
	switch (rc) {
	case 0:
	case ERR_NOT_FOUND:
		return not_there(r);
	case ERR_BAD_STATE:
		return FLOW_NEXT; /* it runs there: the move has come to its end */
	default:
		json_set_u64(r->args, "tries", arg_u64(r->args, "tries", 0) + 1);
		json_set_bool(r->args, "pause", true);
		return FLOW_AGAIN;
	}
}

enum flow_rc
mig_switch_finish(struct task_run *r, int rc)
{
	if (arg_bool(r->args, "pause", false)) {
		json_set_bool(r->args, "pause", false);
		return FLOW_AGAIN;
	}
	task_set_waiting(r, NULL);
	return arg_bool(r->args, "refuse", false) ? judge_refusal(r, rc)
						  : judge_arrival(r, rc);
}
