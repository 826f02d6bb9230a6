/*
 * Maintenance: a host is emptied, guest by guest, and takes no others until it is let
 * back.
 */
#include "server/drs/drs.h"
#include "server/drs/drs_empty.h"
#include "server/drs/drs_standby.h"
#include "server/inventory/inv_drs.h"

enum { STEP_MARK, STEP_EMPTY };

static enum flow_rc
mark_start(struct task_run *r)
{
	return FLOW_NEXT;
}

static void
on_step(struct task_run *r, unsigned step, struct txn *t)
{
	struct host *h = txn_edit(t, r->entity);

	if (h && step == STEP_EMPTY)
		h->maintenance = MAINT_ENTERING;
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct host *h = txn_edit(t, r->entity);

	if (!h)
		return;
	h->maintenance = rc ? MAINT_NONE : MAINT_IN;
	if (rc)
		txn_event(t, EV_HOST_MAINTENANCE_FAILED, r->entity, r->id, r->who.name,
		    "Host %s did not go into maintenance: %s", h->o.name, e->msg);
	else
		txn_event(t, EV_HOST_MAINTENANCE, r->entity, r->id, r->who.name,
		    "Host %s is in maintenance", h->o.name);
}

/* Moves of its guests lean on the host, and so does this. */
static void
locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_SHARED);
}

/* clang-format off */
static const struct task_step steps[] = {
	[STEP_MARK] = { .name = "mark", .start = mark_start },
	[STEP_EMPTY] = { .name = "empty", .start = empty_start, .finish = empty_finish },
	{ .name = NULL },
};
/* clang-format on */

static const struct task_kind maintenance_kind = {
	.op = "host.maintenance",
	.title = "Enter maintenance mode",
	.steps = steps,
	.locks = locks,
	.on_step = on_step,
	.on_end = on_end,
};

static int
enter(struct op_call *c, struct txn *t, struct err *e)
{
	const struct host *h = inv_host(c->inv, c->entity);

	if (h->maintenance == MAINT_IN)
		return err_set(e, ERR_BAD_STATE,
		    "host \"%s\" is in maintenance already", h->o.name);
	if (empty_is_under_way(c->tasks, c->entity))
		return err_set(
		    e, ERR_BUSY, "host \"%s\" is being emptied already", h->o.name);
	if (h->standby != STANDBY_NONE)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is in standby: wake it", h->o.name);
	return empty_check(c, e);
}

static int
leave(struct op_call *c, struct txn *t, struct err *e)
{
	const struct host *h = inv_host(c->inv, c->entity);

	if (h->maintenance == MAINT_NONE)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is not in maintenance", h->o.name);
	if (empty_is_under_way(c->tasks, c->entity))
		return err_set(e, ERR_BUSY,
		    "host \"%s\" is going into maintenance: cancel that task",
		    h->o.name);
	((struct host *)txn_edit(t, c->entity))->maintenance = MAINT_NONE;
	txn_event(t, EV_HOST_MAINTENANCE_LEFT, c->entity, OBJ_ID_NONE, c->who.name,
	    "Host %s is back from maintenance", h->o.name);
	return 0;
}

static int
dismiss(struct op_call *c, struct txn *t, struct err *e)
{
	const struct rec *now = inv_rec(c->inv, c->entity);

	if (now->state != REC_PENDING)
		return err_set(e, ERR_BAD_STATE, "the recommendation is %s",
		    rec_state_text(now->state));
	((struct rec *)txn_edit(t, c->entity))->state = REC_DISMISSED;
	txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Dismissed the recommendation: %s", now->o.name);
	return 0;
}

/* clang-format off */
static const struct op_arg enter_args[] = {
	{ .name = "evacuate", .type = ARG_BOOL, .help = "guests that do not run leave, too" },
	{ 0 } };

static const struct op_def defs[] = {
	{ .info = { "host.maintenance", "Enter maintenance mode", KIND_HOST, ROLE_ADMINISTRATOR, true, enter_args },
	  .apply = enter, .task = &maintenance_kind },
	{ .info = { "host.maintenance_leave", "Exit maintenance mode", KIND_HOST, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = leave },
	{ .info = { "rec.dismiss", "Dismiss recommendation", KIND_REC, ROLE_OPERATOR, false, NULL },
	  .apply = dismiss },
	{ .info = { .name = NULL } },
};

/* clang-format on */

void
drs_register(void)
{
	ops_register(defs);
	ops_register(standby_defs);
}
