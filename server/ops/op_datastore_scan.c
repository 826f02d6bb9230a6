/*
 * Looking for what lies on a datastore and belongs to nothing.  It is told, and stays.
 */
#include "base/clock.h"
#include "server/ops/ops_int.h"
#include "server/ops/orphan.h"

#define SCAN_MS 300000u

enum { STEP_SCAN };

/* Nobody is kept from it meanwhile: what comes and goes is passed over. */
static void
locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_SHARED);
}

static enum flow_rc
scan_start(struct task_run *r)
{
	obj_id host = hosts_reaching(run_ops(r)->hosts, r->entity);
	Drover__DatastoreScan scan = DROVER__DATASTORE_SCAN__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (obj_id_none(host)) {
		err_set(task_err(r), ERR_UNAVAILABLE,
		    "no connected host reaches datastore \"%s\"", r->entity_name);
		return FLOW_FAIL;
	}
	scan.datastore = obj_id_number(r->entity);
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_SCAN;
	o.datastore_scan = &scan;
	return run_order(r, host, &o, SCAN_MS);
}

/* The host that was asked may not be the one that would be asked now. */
static const Drover__ScanFacts *
facts_of(const struct task_run *r, const struct datastore *ds)
{
	for (size_t i = 0; i < ds->hosts.n; i++) {
		const Drover__Reply *reply = run_reply(r, ds->hosts.v[i], STEP_SCAN);

		if (reply && reply->result_case == DROVER__REPLY__RESULT_SCAN)
			return reply->scan;
	}
	return NULL;
}

static bool
is_busy(const void *arg, obj_id id)
{
	return task_works_on(arg, id);
}

static void
scan_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct datastore *ds = inv_datastore(r->inv, r->entity);
	struct orphan_view v = {
		.inv = r->inv,
		.datastore = r->entity,
		.now_ms = clock_wall_ms(loop_clock(inv_loop(r->inv))),
		.is_busy = is_busy,
		.arg = r->tasks,
	};

	v.scan = rc || !ds ? NULL : facts_of(r, ds);
	if (!v.scan)
		return;
	json_free(r->result);
	r->result = orphan_find(&v);
}

static const struct task_step scan_steps[] = {
	[STEP_SCAN] = { .name = "scan",
	    .start = scan_start,
	    .finish = run_order_finish },
	{ .name = NULL },
};

static const struct task_kind scan_kind = {
	.op = "datastore.scan",
	.title = "Look for orphans",
	.steps = scan_steps,
	.locks = locks,
	.on_end = scan_end,
	.on_gone = run_forget,
};

static int
datastore_scan(struct op_call *c, struct txn *t, struct err *e)
{
	return 0;
}

/* clang-format off */
const struct op_def op_datastore_scan_defs[] = {
	{ .info = { "datastore.scan", "Look for orphans", KIND_DATASTORE, ROLE_OPERATOR, true, NULL },
	  .apply = datastore_scan, .task = &scan_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
