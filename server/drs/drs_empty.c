#include "server/drs/drs_empty.h"

#include "base/arena.h"
#include "server/drs/drs.h"
#include "server/drs/drs_json.h"
#include "server/drs/drs_view.h"

#define AT_ONCE  4u /* moves; the ceilings of moves count besides */
#define TRIES    2u
#define TEXT_MAX 160u

/* ---- what it would mean ---- */

struct look {
	struct arena *mem;
	struct drs_view *view;
	struct drs_plan plan;
};

static struct look
look_at(const struct inv *inv, const struct hosts *hosts, const struct tasks *tasks,
    obj_id host)
{
	const struct drs_env env = { .inv = inv,
		.hosts = hosts,
		.tasks = tasks,
		.wall_ms = clock_wall_ms(loop_clock(inv_loop(inv))) };
	struct look l = { .mem = arena_new() };
	obj_id cluster = inv_ancestor(inv, host, KIND_CLUSTER);

	l.view = drs_view_of(&env, cluster, host, l.mem);
	/* Rules that are broken elsewhere are another matter. */
	drs_decide(l.view, l.mem, &l.plan);
	return l;
}

json *
drs_maintenance_plan(const struct inv *inv, const struct hosts *hosts,
    const struct tasks *tasks, obj_id host)
{
	struct look l = look_at(inv, hosts, tasks, host);
	uint32_t moves = 0, blockers = 0;

	for (uint32_t i = 0; i < l.plan.move_count; i++) {
		if (obj_id_is(l.view->hosts[l.plan.moves[i].from].id, host))
			l.plan.moves[moves++] = l.plan.moves[i];
	}
	for (uint32_t i = 0; i < l.plan.blocker_count; i++) {
		if (l.plan.blockers[i].reason == DRS_HOST_MAINTENANCE)
			l.plan.blockers[blockers++] = l.plan.blockers[i];
	}
	l.plan.move_count = moves;
	l.plan.blocker_count = blockers;
	json *j = drs_plan_json(l.view, &l.plan);
	arena_free(l.mem);
	return j;
}

int
empty_check(const struct op_call *c, struct err *e)
{
	AUTO(json)
	json *plan = drs_maintenance_plan(c->inv, c->hosts, c->tasks, c->entity);
	const json *list = json_get(plan, "blockers");
	AUTO(str) struct str why = STR_INIT;

	for (size_t i = 0; i < json_count(list); i++) {
		const json *b = json_at(list, i);
		if (why.len < TEXT_MAX)
			str_addf(&why, "%s\"%s\" cannot leave: %s", i ? "; " : "",
			    arg_str(b, "name"), arg_str(b, "text"));
	}
	if (!why.len)
		return 0;
	return err_set(e, ERR_BAD_STATE, "%s", str_cstr(&why));
}

/* ---- the task ---- */

static bool
is_away(const struct vm *vm)
{
	return vm->power_state == POWER_OFF || vm->power_state == POWER_SUSPENDED;
}

/* Has it to leave the host? */
static bool
has_to_go(const struct task_run *r, const struct vm *vm)
{
	return obj_id_is(vm->host, r->entity) &&
	       (!is_away(vm) || arg_bool(r->args, "evacuate", false));
}

static bool
moves_guest(const struct task_run *other, const void *arg)
{
	const obj_id *vm = arg;

	return obj_id_is(other->entity, *vm) && str_same(other->kind->op, "vm.migrate");
}

static uint64_t
tries_of(const struct task_run *r, obj_id vm)
{
	char id[OBJ_ID_TEXT];

	return arg_u64(json_get(r->args, "tried"), obj_id_text(vm, id), 0);
}

static void
note_try(struct task_run *r, obj_id vm, const struct err *e)
{
	char id[OBJ_ID_TEXT];

	if (!json_get(r->args, "tried")) {
		json_set_json(r->args, "tried", json_new_object());
		json_set_json(r->args, "why", json_new_object());
	}
	obj_id_text(vm, id);
	json_set_u64(json_get(r->args, "tried"), id, tries_of(r, vm) + 1);
	json_set_str(json_get(r->args, "why"), id, e->msg);
}

/* Where the plan has it; with the second try any host of the cluster. */
static json *
target_of(struct task_run *r, const struct vm *vm)
{
	json *args = json_new_object();
	struct look l = look_at(r->inv, run_ops(r)->hosts, r->tasks, r->entity);

	for (uint32_t i = 0; !tries_of(r, vm->o.id) && i < l.plan.move_count; i++) {
		const struct drs_move *m = &l.plan.moves[i];
		if (obj_id_is(l.view->guests[m->guest].id, vm->o.id))
			arg_set_id(args, "host", l.view->hosts[m->to].id);
	}
	if (!arg_has(args, "host"))
		arg_set_id(
		    args, "cluster", inv_ancestor(r->inv, r->entity, KIND_CLUSTER));
	arena_free(l.mem);
	return args;
}

static enum flow_rc
send_away(struct task_run *r, const struct vm *vm)
{
	AUTO(json) json *args = target_of(r, vm);
	const struct op_request req = {
		.op = "vm.migrate",
		.entity = vm->o.id,
		.args = args,
		.who = &r->who,
	};

	arg_set_id(r->args, "at", vm->o.id);
	op_submit_wake(run_ops(r), &req, task_wake(r));
	return FLOW_WAIT;
}

static enum flow_rc
give_up(struct task_run *r)
{
	AUTO(str) struct str why = STR_INIT;
	char id[OBJ_ID_TEXT];

	INV_EACH(r->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(r->inv, o->id);
		const char *text =
		    arg_str(json_get(r->args, "why"), obj_id_text(o->id, id));
		if (has_to_go(r, vm) && why.len < TEXT_MAX)
			str_addf(&why, "%s\"%s\" did not leave: %s",
			    why.len ? "; " : "", o->name, text ? text : "no reason");
	}
	err_set(task_err(r), ERR_BAD_STATE, "%s", str_cstr(&why));
	return FLOW_FAIL;
}

enum flow_rc
empty_start(struct task_run *r)
{
	const struct vm *next = NULL, *going = NULL;
	obj_id going_task = OBJ_ID_NONE;
	unsigned n_going = 0, n_left = 0;

	INV_EACH(r->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(r->inv, o->id);
		if (!has_to_go(r, vm))
			continue;
		const struct task_run *t =
		    task_run_search(r->tasks, moves_guest, &o->id);
		n_left++;
		if (t) {
			n_going++;
			going = vm;
			going_task = t->id;
		} else if (!next && tries_of(r, o->id) < TRIES) {
			next = vm;
		}
	}
	if (!n_left)
		return FLOW_NEXT;
	if (next && n_going < AT_ONCE)
		return send_away(r, next);
	if (!going)
		return give_up(r);
	arg_set_id(r->args, "at", going->o.id);
	task_await(r->tasks, going_task, task_wake(r));
	return FLOW_WAIT;
}

enum flow_rc
empty_finish(struct task_run *r, int rc)
{
	if (rc == ERR_CANCELLED)
		return FLOW_FAIL;
	if (rc && rc != ERR_NOT_FOUND)
		note_try(r, run_arg_id(r, "at"), task_err(r));
	return FLOW_AGAIN;
}

static bool
empties(const struct task_run *other, const void *arg)
{
	const obj_id *host = arg;

	return obj_id_is(other->entity, *host) &&
	       (str_same(other->kind->op, "host.maintenance") ||
		   str_same(other->kind->op, "host.standby"));
}

bool
empty_is_under_way(const struct tasks *ts, obj_id host)
{
	return task_run_search(ts, empties, &host);
}
