#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_args.h"
#include "host-agent/engine/qemu/qemu_int.h"

/* Note what was plugged: a memory image would not fit without it. */
static enum flow_rc
note(struct flow *f, struct qemu_guest *q)
{
	return qemu_run_save(q, flow_err(f)) ? FLOW_FAIL : FLOW_NEXT;
}

static enum flow_rc
backend_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->growth.add_mb)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "object-add",
	    qemu_args_dimm_backend(q->shape.n_dimms, q->growth.add_mb));
}

static enum flow_rc
backend_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	AUTO_FREE char *id = NULL;
	json *o;

	if (!q->growth.add_mb || qemu_is_gone(q) || !q->qmp)
		return FLOW_NEXT;
	id = xasprintf("mem-%u", q->shape.n_dimms);
	o = json_new_object();
	json_set_str(o, "id", id);
	qmp_call(q->qmp, "object-del", o, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
dimm_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->growth.add_mb)
		return FLOW_NEXT;
	return qemu_call_step(
	    q, f, "device_add", qemu_args_dimm_device(q->shape.n_dimms));
}

static enum flow_rc
dimm_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || qemu_is_gone(q))
		return FLOW_FAIL;
	q->shape.dimm_mb[q->shape.n_dimms++] = q->growth.add_mb;
	/* Plugged for good: nothing that fails later takes it out again. */
	q->growth.add_mb = 0;
	return note(f, q);
}

static enum flow_rc
cpu_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	char id[16], driver[32];
	json *o;

	if (qemu_is_gone(q))
		return FLOW_FAIL;
	if (q->shape.num_cpu >= q->goal_cpus)
		return FLOW_NEXT;
	snprintf(id, sizeof(id), "cpu%u", q->shape.num_cpu);
	snprintf(driver, sizeof(driver), "%s-x86_64-cpu",
	    str_same(q->shape.accel, "kvm") ? "host" : "max");
	o = json_new_object();
	json_set_str(o, "driver", driver);
	json_set_str(o, "id", id);
	json_set_u64(o, "socket-id", 0);
	json_set_u64(o, "core-id", q->shape.num_cpu);
	json_set_u64(o, "thread-id", 0);
	return qemu_call_step(q, f, "device_add", o);
}

static enum flow_rc
cpu_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || qemu_is_gone(q))
		return FLOW_FAIL;
	q->shape.num_cpu++;
	return note(f, q) == FLOW_NEXT ? FLOW_AGAIN : FLOW_FAIL;
}

/* Memory first: it is what may fail, and until it is plugged it can be taken back. */
static const struct flow_step resize_steps[] = {
	{ "backend", backend_start, NULL, backend_undo, QEMU_ANSWER_MS },
	{ "dimm", dimm_start, dimm_finish, NULL, QEMU_ANSWER_MS },
	{ "cpu", cpu_start, cpu_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_resize(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	int rc =
	    qemu_shape_grow(&q->shape, spec->num_cpu, spec->memory_mb, &q->growth, e);

	if (rc)
		return rc;
	q->goal_cpus = spec->num_cpu;
	qemu_run_flow(q, "qemu resize", resize_steps);
	return 0;
}
