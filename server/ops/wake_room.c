#include "server/ops/wake_room.h"

#include "server/ops/vm_step.h"

#define WAKE_OP "host.wake"
#define TRIED   "woken"      /* hosts that were, in the step's arguments */
#define WAITING "waking"     /* the one that is waited for */
#define WHY_NOT "wake_error" /* what became of the last one */

static const struct caller self = { .name = "drs", .role = ROLE_ADMINISTRATOR };

bool
wake_is_asleep(const struct inv *inv, obj_id host)
{
	const struct host *h = inv_host(inv, host);

	return h && (h->standby == STANDBY_IN || h->standby == STANDBY_WAKING);
}

static const struct host *
find_asleep(const struct inv *inv, obj_id cluster)
{
	INV_EACH(inv, KIND_HOST, o)
	{
		if (obj_id_is(o->parent, cluster) && wake_is_asleep(inv, o->id))
			return inv_host(inv, o->id);
	}
	return NULL;
}

static bool
are_woken(const struct inv *inv, obj_id cluster)
{
	const struct cluster *cl = inv_cluster(inv, cluster);

	return cl && cl->dpm_automation == DPM_AUTOMATIC;
}

bool
wake_may_help(const struct inv *inv, obj_id cluster)
{
	return are_woken(inv, cluster) && find_asleep(inv, cluster);
}

static bool
wakes(const struct task_run *other, const void *arg)
{
	const obj_id *host = arg;

	return obj_id_is(other->entity, *host) && str_same(other->kind->op, WAKE_OP);
}

/* more is freed; it is told whole, and of what came before as much as there is room
 * for.
 */
static enum flow_rc
refuse(struct task_run *r, char *more)
{
	static const char between[] = "; ";
	struct err *e = task_err(r), was = *e;
	size_t taken = strlen(more) + sizeof(between);
	int room = taken < sizeof(was.msg) ? (int)(sizeof(was.msg) - taken) : 0;

	err_set(e, was.code, "%.*s%s%s", room, was.msg, between, more);
	free(more);
	return FLOW_FAIL;
}

/* Those that were woken for this step and sleep still are not asked again. */
static void
find_tried(const struct task_run *r, struct id_list *ret)
{
	size_t kept = 0;

	arg_ids(r->args, TRIED, ret);
	for (size_t i = 0; i < ret->n; i++) {
		const struct host *h = inv_host(r->inv, ret->v[i]);
		if (h && h->standby == STANDBY_IN)
			ret->v[kept++] = ret->v[i];
	}
	ret->n = kept;
}

static void
note_tried(struct task_run *r, obj_id host)
{
	char id[OBJ_ID_TEXT];

	if (!json_get(r->args, TRIED))
		json_set_json(r->args, TRIED, json_new_array());
	json_add_str(json_get(r->args, TRIED), obj_id_text(host, id));
}

static void
submit(struct ops *ops, obj_id host, const struct caller *who, struct wake w)
{
	AUTO(json) json *args = json_new_object();
	const struct op_request req = {
		.op = WAKE_OP,
		.entity = host,
		.args = args,
		.who = who,
	};

	op_submit_wake(ops, &req, w);
}

static enum flow_rc
wake(struct task_run *r, obj_id host)
{
	const struct task_run *at_it = task_run_search(r->tasks, wakes, &host);
	AUTO_FREE char *what = xasprintf("host \"%s\" to wake", inv_name(r->inv, host));

	task_set_waiting(r, what);
	arg_set_id(r->args, WAITING, host);
	if (at_it) {
		task_await(r->tasks, at_it->id, task_wake(r));
		return FLOW_WAIT;
	}
	note_tried(r, host);
	submit(run_ops(r), host, &self, task_wake(r));
	return FLOW_WAIT;
}

/* Why none of those in standby is woken. */
static char *
why_none(
    const struct task_run *r, const struct host *asleep, const struct id_list *tried)
{
	if (tried->n && arg_has(r->args, WHY_NOT))
		return xasprintf("host \"%s\" did not wake: %.100s",
		    inv_name(r->inv, tried->v[tried->n - 1]),
		    arg_str(r->args, WHY_NOT));
	return xasprintf(
	    "host \"%s\" is in standby and would not take it, either", asleep->o.name);
}

/* Of the hosts in standby one that would take it. */
static enum flow_rc
wake_one(struct task_run *r, const struct advice_guest *g, const struct host *asleep)
{
	struct id_list tried = { 0 };
	struct advice_guest one = *g;
	struct err e = ERR_INIT;
	enum flow_rc rc;
	obj_id host;

	find_tried(r, &tried);
	one.closed = tried.v;
	one.n_closed = tried.n;
	if (advice_find_asleep(run_ops(r)->advice, &one, &host, &e))
		rc = refuse(r, why_none(r, asleep, &tried));
	else if (!are_woken(r->inv, g->cluster))
		rc = refuse(
		    r, xasprintf("host \"%s\" would take it, but is in standby and not "
				 "woken by itself: dpm_automation is not automatic",
			   inv_name(r->inv, host)));
	else
		rc = wake(r, host);
	free(tried.v);
	return rc;
}

enum flow_rc
run_wake_for_room(struct task_run *r, const struct advice_guest *g)
{
	const struct host *asleep = find_asleep(r->inv, g->cluster);

	if (hosts_any_expected(run_ops(r)->hosts) ||
	    task_err(r)->code != ERR_NO_CAPACITY || !asleep)
		return run_wait_for_host(r);
	return wake_one(r, g, asleep);
}

bool
run_was_waking(struct task_run *r, int rc)
{
	if (!arg_has(r->args, WAITING))
		return false;
	json_del(r->args, WAITING);
	task_set_waiting(r, NULL);
	if (rc)
		json_set_str(r->args, WHY_NOT, task_err(r)->msg);
	return rc != ERR_CANCELLED;
}

void
wake_for_room(struct ops *ops, const struct advice_guest *g, const struct caller *who)
{
	struct advice_guest one = *g;
	struct err e = ERR_INIT;
	obj_id host;

	one.closed = NULL;
	one.n_closed = 0;
	if (!wake_may_help(ops->inv, g->cluster) ||
	    advice_find_asleep(ops->advice, &one, &host, &e) ||
	    inv_host(ops->inv, host)->standby == STANDBY_WAKING)
		return;
	submit(ops, host, who, WAKE_NONE);
}
