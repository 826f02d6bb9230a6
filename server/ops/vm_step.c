#include "server/ops/vm_step.h"

#include "server/ops/net_plan.h"
#include "server/ops/vm_spec.h"
#include "server/ops/wake_room.h"
#include "server/protect/protect.h"

const struct vm *
run_vm(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	if (!vm)
		err_set(task_err(r), ERR_NOT_FOUND, "machine \"%s\" is gone",
		    r->entity_name);
	return vm;
}

void
vm_locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	const struct vm *vm = inv_vm(inv, entity);

	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	if (!vm)
		return;
	lock_set_add(out, vm->template_, LOCK_SHARED);
	if (vm->datastores.n)
		lock_set_add(out, vm->datastores.v[0], LOCK_SHARED);
}

static bool
is_allowed(enum power_state p, unsigned allowed)
{
	return allowed & POWER_BIT(p);
}

/* "powered_on" as people write it. */
static void
add_words(struct str *b, const char *name)
{
	for (; *name; name++)
		str_addc(b, *name == '_' ? ' ' : *name);
}

int
vm_need_power(const struct vm *vm, unsigned allowed, struct err *e)
{
	AUTO(str) struct str wanted = STR_INIT;

	if (is_allowed(vm->power_state, allowed))
		return 0;
	for (int p = 0; p < power_state_COUNT_; p++) {
		if (!is_allowed((enum power_state)p, allowed) || p == POWER_UNKNOWN)
			continue;
		str_addf(&wanted, "%s", wanted.len ? " or " : "");
		add_words(&wanted, power_state_text((enum power_state)p));
	}
	AUTO(str) struct str is = STR_INIT;
	add_words(&is, power_state_text(vm->power_state));
	bool why = vm->power_reason && vm->power_reason[0];
	return err_set(e, ERR_BAD_STATE, "%s \"%s\" is %s%s%.80s%s; this wants it %s",
	    guest_type_text(vm->guest_type), vm->o.name, str_cstr(&is), why ? " (" : "",
	    why ? vm->power_reason : "", why ? ")" : "", str_cstr(&wanted));
}

int
vm_need_ready(const struct vm *vm, struct err *e)
{
	if (vm->lifecycle == LIFE_READY)
		return 0;
	return err_set(e, ERR_BAD_STATE, "%s \"%s\" is %s",
	    guest_type_text(vm->guest_type), vm->o.name,
	    vm_lifecycle_text(vm->lifecycle));
}

/* Messages of an order with a spec, together for as long as it is packed. */
struct spec_order {
	Drover__Order o;

	union {
		Drover__GuestCreate create;
		Drover__GuestStart start;
		Drover__GuestDelete del;
		Drover__GuestUpdate update;
	};
};

static void
fill_order(struct spec_order *so, enum vm_verb verb, const struct vm *vm,
    Drover__GuestSpec *spec)
{
	drover__order__init(&so->o);
	switch (verb) {
	case VERB_CREATE:
		drover__guest_create__init(&so->create);
		so->create.spec = spec;
		so->o.verb_case = DROVER__ORDER__VERB_GUEST_CREATE;
		so->o.guest_create = &so->create;
		break;
	case VERB_START:
	case VERB_FIRST_START:
		drover__guest_start__init(&so->start);
		so->start.guest = spec->guest;
		so->start.generation = vm->run_gen;
		so->start.spec = spec;
		so->start.make_disks = verb == VERB_FIRST_START;
		so->o.verb_case = DROVER__ORDER__VERB_GUEST_START;
		so->o.guest_start = &so->start;
		break;
	case VERB_DELETE:
		drover__guest_delete__init(&so->del);
		so->del.guest = spec->guest;
		so->del.spec = spec;
		so->o.verb_case = DROVER__ORDER__VERB_GUEST_DELETE;
		so->o.guest_delete = &so->del;
		break;
	case VERB_UPDATE:
		drover__guest_update__init(&so->update);
		so->update.spec = spec;
		so->o.verb_case = DROVER__ORDER__VERB_GUEST_UPDATE;
		so->o.guest_update = &so->update;
		break;
	}
}

enum flow_rc
run_spec_order(
    struct task_run *r, enum vm_verb verb, const struct vm *vm, uint32_t deadline_ms)
{
	AUTO(arena) struct arena *a = arena_new();
	struct spec_order so;

	fill_order(&so, verb, vm, vm_spec(a, r->inv, vm));
	if (verb == VERB_START || verb == VERB_FIRST_START)
		so.start.claim = protect_claim(a, r->inv, vm, vm->host);
	return run_order(r, vm->host, &so.o, deadline_ms);
}

enum flow_rc
run_undo_delete(struct task_run *r, const struct vm *vm, uint32_t deadline_ms)
{
	AUTO(arena) struct arena *a = arena_new();
	struct spec_order so;

	fill_order(&so, VERB_DELETE, vm, vm_spec(a, r->inv, vm));
	return run_undo_order(r, vm->host, &so.o, deadline_ms);
}

void
vm_take_status(struct vm *vm, const Drover__Reply *reply)
{
	if (!reply || reply->result_case != DROVER__REPLY__RESULT_GUEST)
		return;
	if (reply->guest->started_ms)
		vm->started_at = reply->guest->started_ms;
	if (reply->guest->generation > vm->run_gen &&
	    reply->guest->generation <= MAX_GENERATION)
		vm->run_gen = reply->guest->generation;
}

int
run_hold_room(
    struct task_run *r, const struct advice_guest *g, uint32_t address, struct err *e)
{
	struct advice *advice = run_ops(r)->advice;
	struct advice_hold hold = {
		.vm = g->vm,
		.cluster = g->cluster,
		.num_cpu = g->num_cpu,
		.memory_mb = g->memory_mb,
		.network = g->network,
		.address = address,
	};
	int rc = advice_find_host(advice, g, &hold.host, e);

	if (!rc)
		advice_hold_take(advice, &hold);
	return rc;
}

void
run_tell_where(struct task_run *r, const struct advice_guest *g)
{
	struct err *e = task_err(r), was = *e, ignored = ERR_INIT;
	struct advice_guest anywhere = *g;
	obj_id host;

	anywhere.want_host = OBJ_ID_NONE;
	if (was.code != ERR_NO_CAPACITY ||
	    advice_find_host(run_ops(r)->advice, &anywhere, &host, &ignored))
		return;
	err_set(e, was.code, "%.160s; host \"%.40s\" has room: move it there first",
	    was.msg, inv_name(r->inv, host));
}

enum flow_rc
run_wait_for_host(struct task_run *r)
{
	struct hosts *hosts = run_ops(r)->hosts;

	if (!hosts_any_expected(hosts))
		return FLOW_FAIL;
	hosts_wait(hosts, task_wake(r));
	return FLOW_WAIT;
}

enum flow_rc
run_again(struct task_run *r, int rc)
{
	return rc && !run_was_waking(r, rc) ? FLOW_FAIL : FLOW_AGAIN;
}

void
vm_begin_start(struct task_run *r, struct txn *t)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	vm->run_gen++;
	vm->power_state = POWER_STARTING;
	protect_begin(r->inv, vm, vm->host);
	text_set(&vm->power_reason, NULL);
	txn_event(t, EV_VM_STARTING, r->entity, r->id, r->who.name,
	    "Starting %s on host %s", vm->o.name, inv_name(r->inv, vm->host));
}

void
vm_failed_start(struct vm *vm, int rc, const struct err *e)
{
	if (vm->power_state != POWER_STARTING)
		return;
	/* Without an answer it may run by now: the host's next report says. */
	bool open = rc == ERR_TIMEOUT || rc == ERR_LOST || rc == ERR_CANCELLED;
	vm->power_state = open ? POWER_UNKNOWN : POWER_OFF;
	if (!open)
		protect_end(vm);
	text_set(&vm->power_reason, e->msg);
}

void
run_recover_hold(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	if (!vm || obj_id_none(vm->host))
		return;
	struct advice_hold hold = {
		.vm = vm->o.id,
		.host = vm->host,
		.cluster = inv_ancestor(r->inv, vm->host, KIND_CLUSTER),
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
	};
	advice_hold_take(run_ops(r)->advice, &hold);
}
