#include <inttypes.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/engine/engine_kind.h"
#include "host-agent/engine/qemu/console.h"
#include "host-agent/engine/qemu/qemu_args.h"
#include "host-agent/engine/qemu/qemu_device.h"
#include "host-agent/engine/qemu/qemu_guard.h"
#include "host-agent/engine/qemu/qemu_dir.h"
#include "host-agent/engine/qemu/qemu_live.h"
#include "host-agent/engine/qemu/qemu_move.h"
#include "host-agent/engine/qemu/qemu_shift.h"
#include "host-agent/engine/qemu/qga.h"

#define PRESET_PROGRAM   "/usr/bin/qemu-system-x86_64"
#define PRESET_START_MS  30000
#define PRESET_UNPLUG_MS 20000

struct qemu_guest *
qemu_guest_of(struct engine_guest *g)
{
	return CAST_OBJ(qemu_guest, g, QEMU_GUEST_MAGIC);
}

static struct qemu *
qemu_of(struct engine *en)
{
	return CAST_OBJ(qemu, en, QEMU_MAGIC);
}

bool
qemu_is_gone(const struct qemu_guest *q)
{
	return q->detached;
}

static void
drop_memory_fd(struct qemu_guest *q)
{
	if (q->memory_fd >= 0)
		close(q->memory_fd);
	q->memory_fd = -1;
}

static void
destroy_guest(struct qemu_guest *q)
{
	list_remove(&q->leaving_node);
	json_free(q->leave.tell);
	qemu_shift_free(q->shift);
	qemu_freeze_free(q->freeze);
	qemu_merge_free(q->merge);
	qemu_device_drop(q);
	json_free(q->limits);
	free(q->g.dir);
	q->g.magic = 0;
	free(q);
}

/* ---- verbs are flows ---- */

/* Is there still a handle behind a flow that has ended? */
static bool
survives(struct qemu_guest *q)
{
	q->n_flows--;
	if (q->detached && q->n_flows == 0)
		destroy_guest(q);
	else
		return !q->detached;
	return false;
}

/* The verb has failed, but not ended: what it began is put in order first. */
static bool
falls_back(struct qemu_guest *q, int rc, const struct err *e)
{
	const struct flow_step *steps = MOVE(q->fallback);

	if (!rc || !steps)
		return false;
	q->fallen = true;
	q->fell_err = *e;
	qemu_run_flow(q, "qemu put in order", steps);
	return true;
}

static void
fallen_why(const struct qemu_guest *q, struct err *e)
{
	*e = q->fell_err;
	if (q->g.state == ENGINE_DOWN)
		err_set(e, ERR_LOST, "%s went down meanwhile%s%s", q->who,
		    *q->g.reason ? ": " : "", q->g.reason);
	else
		err_wrap(e, "%s stays", q->who);
}

static void
on_flow_end(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct qemu_guest *q = owner;
	struct err why = rc ? *e : (struct err)ERR_INIT;

	if (!survives(q))
		return;
	/* One that was cut short was answered for when that happened. */
	if (q->verb_flow != f)
		return;
	q->verb_flow = NULL;
	if (falls_back(q, rc, &why))
		return;
	if (q->fallen)
		fallen_why(q, &why);
	rc = why.code;
	q->fallen = false;
	drop_memory_fd(q);
	q->shows_end = false;
	q->asked = QEMU_ASKED_NOTHING;
	if (!rc && q->g.state != ENGINE_DOWN)
		qemu_proc_stat(q);
	if (rc && (q->g.verb == ENGINE_START || q->g.verb == ENGINE_MOVE_IN)) {
		qemu_start_failed(q, &why);
		rc = why.code;
	}
	if (!rc && q->g.verb == ENGINE_MOVE_IN)
		qemu_moved_in(q);
	engine_done(&q->g, rc, &why);
}

void
qemu_run_flow(struct qemu_guest *q, const char *name, const struct flow_step *steps)
{
	static const struct flow_hooks hooks = { .ended = on_flow_end };

	q->verb_flow = flow_new(q->qemu->flows, name, steps, q, &hooks, q);
	q->n_flows++;
	flow_start(q->verb_flow);
}

static void
on_side_end(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct qemu_guest *q = owner;

	if (!survives(q) || q->side_flow != f)
		return;
	q->side_flow = NULL;
	if (!rc && q->g.state != ENGINE_DOWN)
		qemu_proc_stat(q);
	qemu_arrival_ended(q, rc, e);
}

void
qemu_side_flow(struct qemu_guest *q, const char *name, const struct flow_step *steps)
{
	static const struct flow_hooks hooks = { .ended = on_side_end };

	q->side_flow = flow_new(q->qemu->flows, name, steps, q, &hooks, q);
	q->n_flows++;
	flow_start(q->side_flow);
}

enum flow_rc
qemu_call_step(
    struct qemu_guest *q, struct flow *f, const char *command, json *args_take)
{
	if (!q->qmp) {
		json_free(args_take);
		err_set(flow_err(f), ERR_LOST, "%s: no connection to QEMU", q->who);
		return FLOW_FAIL;
	}
	qmp_call(q->qmp, command, args_take, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
qemu_caps_step(
    struct qemu_guest *q, struct flow *f, enum qemu_mig_use use, bool throttle)
{
	return qemu_call_step(
	    q, f, "migrate-set-capabilities", qemu_mig_caps(use, throttle));
}

bool
qemu_answers(const struct qemu_guest *q)
{
	return !q->detached && q->g.state != ENGINE_DOWN && q->qmp &&
	       !qmp_is_lost(q->qmp);
}

enum flow_rc
qemu_saved_step(struct qemu_guest *q, struct flow *f)
{
	if (q->detached || !q->qmp)
		return FLOW_FAIL;
	if (qemu_saving_ended(&q->trace))
		return FLOW_NEXT;
	q->saved_wake = flow_wake(f);
	return FLOW_WAIT;
}

/* ---- the verbs that are one command ---- */

static enum flow_rc
pause_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "stop", NULL);
}

static enum flow_rc
resume_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "cont", NULL);
}

static enum flow_rc
reset_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "system_reset", NULL);
}

static enum flow_rc
rerun_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->g.state == ENGINE_RUNNING)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "cont", NULL);
}

static const struct flow_step pause_steps[] = {
	{ "stop", pause_start, NULL, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct flow_step resume_steps[] = {
	{ "cont", resume_start, NULL, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct flow_step reset_steps[] = {
	{ "reset", reset_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "cont", rerun_start, NULL, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_pause(struct engine_guest *g, struct err *e)
{
	qemu_run_flow(qemu_guest_of(g), "qemu pause", pause_steps);
	return 0;
}

int
qemu_op_resume(struct engine_guest *g, struct err *e)
{
	qemu_run_flow(qemu_guest_of(g), "qemu resume", resume_steps);
	return 0;
}

int
qemu_op_reset(struct engine_guest *g, struct err *e)
{
	qemu_run_flow(qemu_guest_of(g), "qemu reset", reset_steps);
	return 0;
}

static int
op_query(struct engine_guest *g, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	qemu_proc_stat(q);
	qemu_log_bound(q);
	engine_done(g, 0, NULL);
	return 0;
}

/* ---- guests ---- */

static struct engine_guest *
op_guest_new(struct engine *en)
{
	struct qemu_guest *q = xcalloc(1, sizeof(*q));

	q->g.magic = QEMU_GUEST_MAGIC;
	q->qemu = qemu_of(en);
	q->pidfd = q->memory_fd = -1;
	return &q->g;
}

static void
op_guest_free(struct engine_guest *g)
{
	struct qemu_guest *q = qemu_guest_of(g);

	q->detached = true;
	qemu_proc_release(q);
	drop_memory_fd(q);
	if (q->n_flows == 0) {
		destroy_guest(q);
		return;
	}
	list_add_tail(&q->qemu->leaving, &q->leaving_node);
	if (q->verb_flow)
		flow_cancel(q->verb_flow, "the agent ends");
	if (q->side_flow)
		flow_cancel(q->side_flow, "the agent ends");
}

static size_t
op_console_tail(struct engine_guest *g, char *buf, size_t cap)
{
	return console_tail(g->dir, buf, cap);
}

static int
op_console_write(struct engine_guest *g, const void *p, size_t n, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	int rc;

	if (!q->console)
		return err_set(e, ERR_LOST, "%s: its console is not connected", q->who);
	rc = console_write(q->console, p, n, e);
	return rc ? err_wrap(e, "%s", q->who) : 0;
}

static const struct engine_inside *
op_inside(struct engine_guest *g)
{
	const struct qemu_guest *q = qemu_guest_of(g);

	return q->qga ? qga_inside(q->qga) : NULL;
}

static int
op_screen_open(struct engine_guest *g, int *ret_fd, struct err *e)
{
	return qemu_connect_own(qemu_guest_of(g), QEMU_OWN_SCREEN, ret_fd, e);
}

/* ---- the engine ---- */

static int
op_spec_check(const struct engine *en, const Drover__GuestSpec *spec, struct err *e)
{
	return qemu_spec_check(spec, e);
}

static void
op_free(struct engine *en)
{
	struct qemu *qe = qemu_of(en);

	qemu_probe_drop(qe);
	LIST_EACH_SAFE(struct qemu_guest, q, &qe->leaving, leaving_node) {
		destroy_guest(q);
	}
	free(qe->program);
	free(qe->accel_wish);
	free(qe->guard);
	str_fini(&qe->machines);
	qe->en.magic = 0;
	free(qe);
}

static const struct engine_ops qemu_ops = {
	.name = "qemu",
	.free = op_free,
	.probe = qemu_op_probe,
	.spec_check = op_spec_check,
	.guest_new = op_guest_new,
	.guest_free = op_guest_free,
	.start = qemu_op_start,
	.stop = qemu_op_stop,
	.kill = qemu_op_kill,
	.reset = qemu_op_reset,
	.pause = qemu_op_pause,
	.resume = qemu_op_resume,
	.suspend = qemu_op_suspend,
	.resize = qemu_op_resize,
	.device = qemu_op_device,
	.query = op_query,
	.adopt = qemu_op_adopt,
	.move_offer = qemu_op_move_offer,
	.move_in = qemu_op_move_in,
	.move_wait = qemu_op_move_wait,
	.move_out = qemu_op_move_out,
	.move_cancel = qemu_op_move_cancel,
	.take_back = qemu_op_take_back,
	.disk_move = qemu_op_disk_move,
	.disk_move_end = qemu_op_disk_move_end,
	.adopt_moving = qemu_op_adopt_moving,
	.arm = qemu_op_arm,
	.guard = qemu_op_guard,
	.freeze = qemu_op_freeze,
	.merge = qemu_op_merge,
	.merge_end = qemu_op_merge_end,
	.chain_length = qemu_op_chain_length,
	.inside = op_inside,
	.balloon = qemu_op_balloon,
	.balloon_set = qemu_op_balloon_set,
	.disk_io = qemu_op_disk_io,
	.picture = qemu_op_picture,
	.console_tail = op_console_tail,
	.console_write = op_console_write,
	.screen_open = op_screen_open,
};

struct engine *
engine_qemu_new(struct loop *l, struct flows *fs, const struct engine_qemu_conf *conf)
{
	struct qemu *qe = xcalloc(1, sizeof(*qe));
	struct sysinfo si = { 0 };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	qe->en.magic = QEMU_MAGIC;
	qe->en.ops = &qemu_ops;
	qe->en.loop = l;
	qe->flows = fs;
	qe->program =
	    xstrdup(conf->program && *conf->program ? conf->program : PRESET_PROGRAM);
	qe->accel_wish = xstrdup(conf->accel ? conf->accel : "auto");
	qe->guard = engine_guard_program(conf->guard);
	qe->uid_base = conf->uid_base;
	qe->gid = conf->gid;
	qe->start_ms = conf->start_ms ? conf->start_ms : PRESET_START_MS;
	qe->unplug_ms = conf->unplug_ms ? conf->unplug_ms : PRESET_UNPLUG_MS;
	qe->host_cpus = cpus > 0 ? (uint32_t)cpus : 1;
	qe->host_mb = sysinfo(&si) ? 0 : ((uint64_t)si.totalram * si.mem_unit) >> 20;
	list_init(&qe->leaving);
	snprintf(qe->en.facts.why_not, sizeof(qe->en.facts.why_not), "not probed yet");
	for (int cap = 0; cap < ENGINE_CAPS_; cap++)
		engine_fact_cap(&qe->en.facts, (enum engine_cap)cap, "not probed yet");
	return &qe->en;
}
