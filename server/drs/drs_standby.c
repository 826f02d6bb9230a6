#include "server/drs/drs_standby.h"

#include "server/drs/drs_empty.h"
#include "server/ops/power_hook.h"

#define GONE_MS 600000u /* a host may take to shut down, or to start */
#define UP_MS   900000u

/* A host that has just come up is given so long to report what it reaches. */
#define REACH_MS    250u
#define REACH_LOOKS 80u

enum { SLEEP_MARK, SLEEP_EMPTY };

enum { WAKE_CALL };

static const struct cluster *
cluster_of(const struct inv *inv, obj_id host)
{
	return inv_cluster(inv, inv_ancestor(inv, host, KIND_CLUSTER));
}

static enum flow_rc
call_hook(struct task_run *r, const struct power_hook *k)
{
	const struct host *h = inv_host(r->inv, r->entity);

	if (!h) {
		err_set(task_err(r), ERR_NOT_FOUND, "the host is gone");
		return FLOW_FAIL;
	}
	if (power_hooks_run(run_ops(r)->hooks, k, h, task_wake(r), task_err(r)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

/* ---- into standby ---- */

static enum flow_rc
mark_start(struct task_run *r)
{
	return FLOW_NEXT;
}

static enum flow_rc
sleep_start(struct task_run *r)
{
	const struct cluster *cl = cluster_of(r->inv, r->entity);

	return call_hook(
	    r, &(struct power_hook){ cl ? cl->dpm_standby : NULL, "standby hook" });
}

static enum flow_rc
gone_start(struct task_run *r)
{
	struct hosts *hs = run_ops(r)->hosts;

	if (!hosts_is_up(hs, r->entity) && !hosts_is_expected(hs, r->entity))
		return FLOW_NEXT;
	task_set_waiting(r, "the host to go away");
	hosts_wait(hs, task_wake(r));
	return FLOW_WAIT;
}

/* The host is where it was. */
static enum flow_rc
still_waits(struct task_run *r, int rc, const char *what)
{
	task_set_waiting(r, NULL);
	if (!rc)
		return FLOW_AGAIN;
	if (rc == ERR_TIMEOUT)
		err_set(task_err(r), ERR_TIMEOUT,
		    "host \"%s\" %s in time after its hook", r->entity_name, what);
	return FLOW_FAIL;
}

static enum flow_rc
gone_finish(struct task_run *r, int rc)
{
	return still_waits(r, rc, "did not go away");
}

static void
on_sleep_step(struct task_run *r, unsigned step, struct txn *t)
{
	struct host *h = txn_edit(t, r->entity);

	if (h && step == SLEEP_EMPTY)
		h->standby = STANDBY_ENTERING;
}

static void
on_sleep_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct host *h = txn_edit(t, r->entity);

	if (!h)
		return;
	h->standby = rc ? STANDBY_NONE : STANDBY_IN;
	if (rc)
		txn_event(t, EV_HOST_STANDBY_FAILED, r->entity, r->id, r->who.name,
		    "Host %s did not go into standby: %s", h->o.name, e->msg);
	else
		txn_event(t, EV_HOST_STANDBY, r->entity, r->id, r->who.name,
		    "Host %s is in standby", h->o.name);
}

/* ---- and back ---- */

static enum flow_rc
call_start(struct task_run *r)
{
	const struct cluster *cl = cluster_of(r->inv, r->entity);

	return call_hook(
	    r, &(struct power_hook){ cl ? cl->dpm_wake : NULL, "wake hook" });
}

static enum flow_rc
up_start(struct task_run *r)
{
	struct hosts *hs = run_ops(r)->hosts;

	if (hosts_is_up(hs, r->entity))
		return FLOW_NEXT;
	task_set_waiting(r, "the host to come up");
	hosts_wait(hs, task_wake(r));
	return FLOW_WAIT;
}

static enum flow_rc
up_finish(struct task_run *r, int rc)
{
	return still_waits(r, rc, "did not come up");
}

/* Does it reach what it is attached to? */
static bool
reaches_all(const struct inv *inv, obj_id host)
{
	INV_EACH(inv, KIND_DATASTORE, o)
	{
		const struct datastore *ds = inv_datastore(inv, o->id);
		if (id_list_has(&ds->hosts, host) &&
		    !id_list_has(&ds->reachable_hosts, host))
			return false;
	}
	return true;
}

/* Guests can be placed on it once it has reported.  One that lacks a datastore for good
 * is up all the same. */
static enum flow_rc
reach_start(struct task_run *r)
{
	uint64_t looks = arg_u64(r->args, "looks", 0);

	if (reaches_all(r->inv, r->entity) || looks >= REACH_LOOKS)
		return FLOW_NEXT;
	json_set_u64(r->args, "looks", looks + 1);
	task_pause(r, REACH_MS);
	return FLOW_WAIT;
}

static enum flow_rc
reach_finish(struct task_run *r, int rc)
{
	return rc == ERR_TIMEOUT ? FLOW_AGAIN : FLOW_FAIL;
}

static void
on_wake_step(struct task_run *r, unsigned step, struct txn *t)
{
	struct host *h = txn_edit(t, r->entity);

	if (h && step == WAKE_CALL)
		h->standby = STANDBY_WAKING;
}

static void
on_wake_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct host *h = txn_edit(t, r->entity);

	if (!h)
		return;
	h->standby = rc ? STANDBY_IN : STANDBY_NONE;
	if (rc)
		txn_event(t, EV_HOST_WAKE_FAILED, r->entity, r->id, r->who.name,
		    "Host %s did not wake: %s", h->o.name, e->msg);
	else
		txn_event(t, EV_HOST_WOKEN, r->entity, r->id, r->who.name,
		    "Host %s is back from standby", h->o.name);
}

/* ---- the verbs ---- */

/* Moves of its guests lean on the host, and so does this. */
static void
locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_SHARED);
}

static bool
wakes(const struct task_run *other, const void *arg)
{
	const obj_id *host = arg;

	return obj_id_is(other->entity, *host) &&
	       str_same(other->kind->op, "host.wake");
}

static int
check_hook(const struct op_call *c, const char *field, const json *hook, struct err *e)
{
	if (hook && json_count(hook))
		return 0;
	return err_set(e, ERR_BAD_STATE, "the cluster of host \"%s\" has no %s",
	    inv_name(c->inv, c->entity), field);
}

/* Somebody has to stay. */
static int
check_others(const struct op_call *c, struct err *e)
{
	obj_id cluster = inv_ancestor(c->inv, c->entity, KIND_CLUSTER);

	INV_EACH(c->inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(c->inv, o->id);
		if (obj_id_is(o->parent, cluster) && !obj_id_is(o->id, c->entity) &&
		    h->standby == STANDBY_NONE && h->maintenance == MAINT_NONE &&
		    hosts_is_up(c->hosts, o->id))
			return 0;
	}
	return err_set(e, ERR_BAD_STATE,
	    "host \"%s\" is the last one of its cluster that is up",
	    inv_name(c->inv, c->entity));
}

static int
check_awake(const struct op_call *c, const struct host *h, struct err *e)
{
	if (h->standby == STANDBY_IN)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is in standby already", h->o.name);
	if (h->standby != STANDBY_NONE)
		return err_set(e, ERR_BAD_STATE,
		    "host \"%s\" is on its way into or out of standby", h->o.name);
	if (h->maintenance != MAINT_NONE)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is in maintenance", h->o.name);
	if (empty_is_under_way(c->tasks, c->entity))
		return err_set(
		    e, ERR_BUSY, "host \"%s\" is being emptied already", h->o.name);
	return hosts_need_up(c->hosts, c->entity, e);
}

static int
enter(struct op_call *c, struct txn *t, struct err *e)
{
	const struct host *h = inv_host(c->inv, c->entity);
	const struct cluster *cl = cluster_of(c->inv, c->entity);
	int rc = check_awake(c, h, e);

	/* Who could not be woken had better not sleep. */
	if (!rc)
		rc = check_hook(c, "wake hook", cl ? cl->dpm_wake : NULL, e);
	if (!rc)
		rc = check_hook(c, "standby hook", cl ? cl->dpm_standby : NULL, e);
	if (!rc)
		rc = check_others(c, e);
	return rc ? rc : empty_check(c, e);
}

static int
leave(struct op_call *c, struct txn *t, struct err *e)
{
	const struct host *h = inv_host(c->inv, c->entity);
	const struct cluster *cl = cluster_of(c->inv, c->entity);

	if (h->standby == STANDBY_NONE)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is not in standby", h->o.name);
	if (h->standby == STANDBY_ENTERING)
		return err_set(e, ERR_BUSY,
		    "host \"%s\" is going into standby: cancel that task", h->o.name);
	if (task_run_search(c->tasks, wakes, &c->entity))
		return err_set(
		    e, ERR_BUSY, "host \"%s\" is being woken already", h->o.name);
	return check_hook(c, "wake hook", cl ? cl->dpm_wake : NULL, e);
}

/* clang-format off */
static const struct task_step sleep_steps[] = {
	[SLEEP_MARK] = { .name = "mark", .start = mark_start },
	[SLEEP_EMPTY] = { .name = "empty", .start = empty_start, .finish = empty_finish },
	/* Once the hook has begun the host may go at any time. */
	{ .name = "sleep", .start = sleep_start, .cancel = FLOW_CANCEL_LATE },
	{ .name = "gone", .start = gone_start, .finish = gone_finish, .timeout_ms = GONE_MS,
	  .cancel = FLOW_CANCEL_LATE },
	{ .name = NULL },
};

static const struct task_step wake_steps[] = {
	[WAKE_CALL] = { .name = "call", .start = call_start },
	{ .name = "up", .start = up_start, .finish = up_finish, .timeout_ms = UP_MS },
	{ .name = "reach", .start = reach_start, .finish = reach_finish },
	{ .name = NULL },
};

static const struct task_kind sleep_kind = {
	.op = "host.standby",
	.title = "Enter standby mode",
	.steps = sleep_steps,
	.locks = locks,
	.on_step = on_sleep_step,
	.on_end = on_sleep_end,
};

static const struct task_kind wake_kind = {
	.op = "host.wake",
	.title = "Exit standby mode",
	.steps = wake_steps,
	.locks = locks,
	.on_step = on_wake_step,
	.on_end = on_wake_end,
};

static const struct op_arg enter_args[] = {
	{ .name = "evacuate", .type = ARG_BOOL, .help = "guests that do not run leave, too" },
	{ 0 } };

const struct op_def standby_defs[] = {
	{ .info = { "host.standby", "Enter standby mode", KIND_HOST, ROLE_ADMINISTRATOR, true, enter_args },
	  .apply = enter, .task = &sleep_kind },
	{ .info = { "host.wake", "Exit standby mode", KIND_HOST, ROLE_ADMINISTRATOR, true, NULL },
	  .apply = leave, .task = &wake_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
