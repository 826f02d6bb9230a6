#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_int.h"
#include "host-agent/engine/qemu/qemu_memory.h"

#define SAVE_MS       600000
#define QUIT_MS       10000
#define FULL_SPEED    (1ull << 60)
#define MEMORY_FDNAME "memory"

static enum flow_rc
halt_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->was_running)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "stop", NULL);
}

static bool
is_alive(const struct qemu_guest *q)
{
	return !qemu_is_gone(q) && q->g.state != ENGINE_DOWN && q->qmp;
}

/* Back to what it did before. */
static enum flow_rc
halt_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!is_alive(q))
		return FLOW_NEXT;
	if (!q->was_running) {
		engine_set_state(&q->g, ENGINE_PAUSED, "not suspended");
		return FLOW_NEXT;
	}
	/* The RESUME event moves the state. */
	qmp_call(q->qmp, "cont", NULL, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
speed_start(struct flow *f, void *arg)
{
	json *o = json_new_object();

	json_set_u64(o, "max-bandwidth", FULL_SPEED);
	return qemu_call_step(arg, f, "migrate-set-parameters", o);
}

static enum flow_rc
events_start(struct flow *f, void *arg)
{
	return qemu_caps_step(arg, f, QEMU_MIG_SAVE, false);
}

static enum flow_rc
file_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (!is_alive(q))
		return FLOW_FAIL;
	o = json_new_object();
	json_set_str(o, "fdname", MEMORY_FDNAME);
	qmp_call_fd(q->qmp, "getfd", o, q->memory_fd, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
save_start(struct flow *f, void *arg)
{
	json *o = json_new_object();

	json_set_str(o, "uri", "fd:" MEMORY_FDNAME);
	return qemu_call_step(arg, f, "migrate", o);
}

static enum flow_rc
save_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!is_alive(q))
		return FLOW_NEXT;
	qmp_call(q->qmp, "migrate_cancel", NULL, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
saved_start(struct flow *f, void *arg)
{
	return qemu_saved_step(arg, f);
}

static enum flow_rc
check_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "query-migrate", NULL);
}

static enum flow_rc
check_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const char *status = "", *why = "QEMU does not say why";
	const json *o;

	if (rc || !is_alive(q))
		return FLOW_FAIL;
	o = qmp_result(q->qmp);
	if (json_read_str(o, "status", JSON_REQUIRED, 64, &status, flow_err(f)) ||
	    json_read_str(o, "error-desc", JSON_OPTIONAL, 1024, &why, flow_err(f)))
		return FLOW_FAIL;
	if (str_same(status, "completed"))
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_IO, "%s: saving its memory failed: %s", q->who, why);
	return FLOW_FAIL;
}

static enum flow_rc
seal_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!is_alive(q) || qemu_memory_seal(q->memory_fd, flow_err(f)))
		return FLOW_FAIL;
	/* From here on the image is the guest: the process never runs again. */
	q->memory_saved = true;
	qmp_call(q->qmp, "quit", NULL, WAKE_NONE);
	q->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
seal_finish(struct flow *f, void *arg, int rc)
{
	return FLOW_NEXT;
}

static enum flow_rc
bury_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!is_alive(q))
		return FLOW_NEXT;
	qemu_proc_kill(q);
	q->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

static const struct flow_step suspend_steps[] = {
	{ "halt", halt_start, NULL, halt_undo, QEMU_ANSWER_MS },
	{ "speed", speed_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "events", events_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "file", file_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "save", save_start, NULL, save_undo, QEMU_ANSWER_MS },
	{ "saved", saved_start, NULL, NULL, SAVE_MS },
	{ "check", check_start, check_finish, NULL, QEMU_ANSWER_MS },
	{ "seal", seal_start, seal_finish, NULL, QUIT_MS },
	{ "bury", bury_start, NULL, NULL, QUIT_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_suspend(struct engine_guest *g, int memory_fd, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	int rc = qemu_memory_begin(memory_fd, &q->shape, e);

	if (rc)
		return err_wrap(e, "%s", q->who);
	q->memory_fd = fcntl(memory_fd, F_DUPFD_CLOEXEC, 3);
	q->was_running = g->state == ENGINE_RUNNING;
	q->trace.saving[0] = '\0';
	engine_set_state(g, ENGINE_SUSPENDING, "");
	qemu_run_flow(q, "qemu suspend", suspend_steps);
	return 0;
}
