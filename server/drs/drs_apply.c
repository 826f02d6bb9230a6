#include "server/drs/drs_apply.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/hosts/hosts.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/ops/op_def.h"

#define AT_ONCE 4u /* moves of a plan; the ceilings of moves count besides */

enum move_state { MOVE_WAITS, MOVE_ASKED, MOVE_RUNS, MOVE_OVER };

/* A recommendation on its way. */
struct move {
	struct list_node node;
	struct drs_applier *a;
	obj_id rec, vm, from, cluster, task; /* vm: none if it is no move */
	obj_id after; /* recommendation that makes its place free, or none */
	enum move_state state;
	bool has_failed;
	bool is_done; /* with all of its cluster */
	op_fn done;   /* of who asked for it; NULL: a plan's */
	void *arg;
};

struct drs_applier {
	struct inv *inv;
	struct hosts *hosts;
	struct ops *ops;
	drs_moved_fn moved;
	void *arg;
	struct list moves;
};

/* A plan that is being stored. */
struct storing {
	struct drs_applier *a;
	obj_id cluster;
	struct drs_kept *kept;
	size_t n;
	drs_kept_fn done;
	void *arg;
};

static const struct caller self = { .name = "drs", .role = ROLE_ADMINISTRATOR };

struct drs_applier *
drs_applier_new(struct inv *inv, struct hosts *hosts, struct ops *ops,
    drs_moved_fn moved, void *arg)
{
	struct drs_applier *a = xcalloc(1, sizeof(*a));

	a->inv = inv;
	a->hosts = hosts;
	a->ops = ops;
	a->moved = moved;
	a->arg = arg;
	list_init(&a->moves);
	return a;
}

static void
move_free(struct move *m)
{
	list_remove(&m->node);
	free(m);
}

void
drs_applier_free(struct drs_applier *a)
{
	if (!a)
		return;
	LIST_EACH_SAFE(struct move, m, &a->moves, node) {
		move_free(m);
	}
	free(a);
}

bool
drs_applier_busy(const struct drs_applier *a, obj_id cluster)
{
	LIST_EACH(struct move, m, &a->moves, node) {
		if (obj_id_is(m->cluster, cluster))
			return true;
	}
	return false;
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	if (rc)
		log_warn("drs", "a recommendation was not stored: %s", e->msg);
}

static void
store(struct drs_applier *a, obj_id rec, enum rec_state state, obj_id task,
    const char *note)
{
	struct txn *t = txn_new(a->inv);
	struct rec *r = txn_edit(t, rec);

	if (!r) {
		txn_free(t);
		return;
	}
	r->state = state;
	if (!obj_id_none(task))
		r->task = task;
	text_set(&r->note, note);
	txn_commit(t, on_stored, NULL);
}

/* The host that something is to be done to. */
static obj_id
host_of(const struct rec *r)
{
	return r->action == REC_WAKE ? r->to : r->from;
}

static bool
is_power(const struct rec *r)
{
	return r->action == REC_STANDBY || r->action == REC_WAKE;
}

/* Whether it may go, and where its guests would, its verb will say. */
static int
check_host(const struct drs_applier *a, const struct rec *r, struct err *e)
{
	const struct host *h = inv_host(a->inv, host_of(r));
	enum standby_state wanted = r->action == REC_WAKE ? STANDBY_IN : STANDBY_NONE;

	if (!h)
		return err_set(e, ERR_BAD_STATE, "its host is gone");
	if (is_power(r) && h->standby != wanted)
		return err_set(e, ERR_BAD_STATE, "host \"%s\" is %s standby now",
		    h->o.name, wanted == STANDBY_IN ? "not in" : "in");
	return 0;
}

/* Does it make sense still?  ERR_BAD_STATE says why not. */
static int
check(const struct drs_applier *a, const struct rec *r, struct err *e)
{
	const struct vm *vm = inv_vm(a->inv, r->vm);
	const struct host *to = inv_host(a->inv, r->to);

	if (r->state != REC_PENDING)
		return err_set(e, ERR_BAD_STATE, "the recommendation is %s",
		    rec_state_text(r->state));
	if (r->action != REC_MOVE)
		return check_host(a, r, e);
	if (!vm || !to)
		return err_set(
		    e, ERR_BAD_STATE, "its %s is gone", vm ? "host" : "guest");
	if (!obj_id_is(vm->host, r->from))
		return err_set(e, ERR_BAD_STATE, "\"%s\" is on host \"%s\" now",
		    vm->o.name, inv_name(a->inv, vm->host));
	if (vm->power_state != POWER_ON)
		return err_set(e, ERR_BAD_STATE, "\"%s\" is %s now", vm->o.name,
		    power_state_text(vm->power_state));
	if (to->maintenance != MAINT_NONE)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is in maintenance", to->o.name);
	if (to->health_remedy == HA_REMEDY_QUARANTINE)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is in quarantine", to->o.name);
	return hosts_need_up(a->hosts, to->o.id, e);
}

static void
tell(const struct move *m)
{
	const struct drs_moved moved = { m->vm, m->from, m->has_failed };

	if (!obj_id_none(m->vm))
		m->a->moved(m->a->arg, &moved);
}

static void
on_submitted(const struct op_result *r, void *arg)
{
	struct move *m = arg;
	struct drs_applier *a = m->a;

	if (m->done)
		m->done(r, m->arg);
	m->done = NULL;
	m->task = r->task;
	m->state = r->rc ? MOVE_OVER : MOVE_RUNS;
	m->has_failed = r->rc != 0;
	if (r->rc)
		tell(m);
	store(a, m->rec, r->rc ? REC_FAILED : REC_APPLIED, r->task,
	    r->rc ? r->err.msg : NULL);
	drs_applier_look(a);
}

static void
submit(struct move *m, const struct rec *r, const struct caller *who)
{
	static const char *const ops[] = {
		[REC_MOVE] = "vm.migrate",
		[REC_STANDBY] = "host.standby",
		[REC_WAKE] = "host.wake",
		[REC_QUARANTINE] = "host.quarantine",
		[REC_MAINTENANCE] = "host.maintenance",
	};
	AUTO(json) json *args = json_new_object();
	bool is_move = r->action == REC_MOVE;
	char id[OBJ_ID_TEXT];

	if (is_move)
		json_set_str(args, "host", obj_id_text(r->to, id));
	const struct op_request req = {
		.op = ops[r->action],
		.entity = is_move ? r->vm : host_of(r),
		.args = args,
		.who = who,
	};
	m->state = MOVE_ASKED;
	op_submit(m->a->ops, &req, on_submitted, m);
}

static struct move *
move_add(struct drs_applier *a, const struct rec *r)
{
	struct move *m = xcalloc(1, sizeof(*m));

	m->a = a;
	m->rec = r->o.id;
	m->vm = r->vm;
	m->from = r->from;
	m->cluster = r->o.parent;
	list_add_tail(&a->moves, &m->node);
	return m;
}

void
drs_applier_ask(
    struct drs_applier *a, obj_id rec, const struct caller *who, op_fn done, void *arg)
{
	const struct rec *r = inv_rec(a->inv, rec);
	struct op_result bad = { .err = ERR_INIT };

	bad.rc = check(a, r, &bad.err);
	if (bad.rc) {
		if (r->state == REC_PENDING)
			store(a, rec, REC_STALE, OBJ_ID_NONE, bad.err.msg);
		done(&bad, arg);
		return;
	}
	struct move *m = move_add(a, r);
	m->done = done;
	m->arg = arg;
	submit(m, r, who);
}

/* ---- plans ---- */

static bool
is_automatic(const struct inv *inv, const struct rec *r)
{
	const struct vm *vm = inv_vm(inv, r->vm);
	const struct cluster *cl = inv_cluster(inv, r->o.parent);
	bool is_own = vm && vm->drs_automation && vm->drs_automation[0];

	if (r->action != REC_MOVE)
		return cl && cl->drs_enabled && cl->dpm_automation == DPM_AUTOMATIC;
	if (!is_own && str_same(r->reason, DRS_DEGRADED))
		return cl && cl->drs_enabled &&
		       cl->ha_proactive == HA_PROACTIVE_AUTOMATIC;
	return cl && cl->drs_enabled &&
	       str_same(is_own ? vm->drs_automation : cl->drs_automation_level,
		   "fully_automated");
}

static void
on_kept(void *arg, int rc, const struct err *e)
{
	struct storing *s = arg;

	if (rc)
		log_warn("drs", "recommendations were not stored: %s", e->msg);
	for (size_t i = 0; !rc && i < s->n; i++) {
		const struct rec *r = inv_rec(s->a->inv, s->kept[i].rec);
		if (!r || !is_automatic(s->a->inv, r))
			continue;
		struct move *m = move_add(s->a, r);
		if (s->kept[i].waits_for != DRS_NONE)
			m->after = s->kept[s->kept[i].waits_for].rec;
	}
	drs_applier_look(s->a);
	s->done(s->arg);
	free(s->kept);
	free(s);
}

void
drs_applier_keep(
    struct drs_applier *a, const struct drs_keep *k, drs_kept_fn done, void *arg)
{
	struct storing *s = xcalloc(1, sizeof(*s));
	struct txn *t = txn_new(a->inv);

	s->a = a;
	s->cluster = k->cluster;
	s->done = done;
	s->arg = arg;
	s->n = (size_t)k->plan->move_count + k->plan->power_count;
	s->kept = xcalloc(s->n + 1, sizeof(*s->kept));
	if (drs_keep_plan(k, t, s->kept)) {
		txn_commit(t, on_kept, s);
		return;
	}
	txn_free(t);
	on_kept(s, 0, NULL);
}

static const struct move *
find(const struct drs_applier *a, obj_id rec)
{
	LIST_EACH(struct move, m, &a->moves, node) {
		if (obj_id_is(m->rec, rec))
			return m;
	}
	return NULL;
}

/* A move that runs: has it ended? */
static void
follow(struct move *m)
{
	const struct task *row = inv_task(m->a->inv, m->task);

	if (row && (row->state == TASK_QUEUED || row->state == TASK_RUNNING))
		return;
	m->state = MOVE_OVER;
	m->has_failed = row && row->state == TASK_ERROR;
	tell(m);
	if (m->has_failed)
		store(m->a, m->rec, REC_FAILED, m->task, row->error_message);
}

static bool
is_failed_plan(const struct drs_applier *a, obj_id cluster)
{
	LIST_EACH(struct move, m, &a->moves, node) {
		if (obj_id_is(m->cluster, cluster) && m->has_failed)
			return true;
	}
	return false;
}

static unsigned
count_running(const struct drs_applier *a, obj_id cluster)
{
	unsigned n = 0;

	LIST_EACH(struct move, m, &a->moves, node) {
		n += obj_id_is(m->cluster, cluster) &&
		     (m->state == MOVE_RUNS || m->state == MOVE_ASKED);
	}
	return n;
}

static void
begin(struct move *m)
{
	const struct rec *r = inv_rec(m->a->inv, m->rec);
	const struct move *before = find(m->a, m->after);
	struct err e = ERR_INIT;
	bool is_pending = r && r->state == REC_PENDING;

	if (r && before && before->state != MOVE_OVER)
		return;
	if (is_failed_plan(m->a, m->cluster)) {
		err_set(&e, ERR_BAD_STATE, "another move of its plan came to nothing");
		m->state = MOVE_OVER;
	} else if (!r || check(m->a, r, &e)) {
		m->state = MOVE_OVER;
		/* The rest was planned with this one made. */
		m->has_failed = is_pending;
	} else if (count_running(m->a, m->cluster) < AT_ONCE) {
		submit(m, r, &self);
	}
	if (m->state == MOVE_OVER && is_pending)
		store(m->a, m->rec, REC_STALE, OBJ_ID_NONE, e.msg);
}

static bool
is_over(const struct drs_applier *a, obj_id cluster)
{
	LIST_EACH(struct move, m, &a->moves, node) {
		if (obj_id_is(m->cluster, cluster) && m->state != MOVE_OVER)
			return false;
	}
	return true;
}

void
drs_applier_look(struct drs_applier *a)
{
	LIST_EACH(struct move, m, &a->moves, node) {
		if (m->state == MOVE_RUNS)
			follow(m);
	}
	LIST_EACH(struct move, m, &a->moves, node) {
		if (m->state == MOVE_WAITS)
			begin(m);
	}
	LIST_EACH(struct move, m, &a->moves, node) {
		m->is_done = is_over(a, m->cluster);
	}
	LIST_EACH_SAFE(struct move, m, &a->moves, node) {
		if (m->is_done)
			move_free(m);
	}
}
