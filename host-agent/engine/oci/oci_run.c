#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move.h"
#include "host-agent/engine/oci/oci_signal.h"
#include "host-agent/engine/oci/oci_watch.h"
#include "host-agent/network/port.h"

#define CLEAR_MS     45000 /* clearing has deadlines of its own */
#define ASK_AGAIN_MS 2000

/* ---- how it ended ---- */

static enum engine_end
end_of(const struct oci_guest *c, char reason[ENGINE_REASON_MAX])
{
	*reason = '\0';
	if (c->asked != OCI_ASKED_NOTHING)
		return ENGINE_END_ORDERED;
	if (c->struck) {
		snprintf(reason, ENGINE_REASON_MAX, "%s", c->struck);
		return ENGINE_END_DIED;
	}
	if (!c->status_known) {
		snprintf(reason, ENGINE_REASON_MAX, "its first process is gone");
		return ENGINE_END_DIED;
	}
	/* What reboot(2) ends the first process of a pid namespace with. */
	if (WIFSIGNALED(c->status) && WTERMSIG(c->status) == SIGINT)
		return ENGINE_END_GUEST;
	if (WIFSIGNALED(c->status) && WTERMSIG(c->status) == SIGHUP) {
		snprintf(reason, ENGINE_REASON_MAX, "it asked to be started again");
		return ENGINE_END_GUEST;
	}
	if (WIFSIGNALED(c->status)) {
		snprintf(reason, ENGINE_REASON_MAX,
		    "its first process was killed by SIG%s",
		    sigabbrev_np(WTERMSIG(c->status)));
		return ENGINE_END_DIED;
	}
	if (WEXITSTATUS(c->status) == 0)
		return ENGINE_END_GUEST;
	snprintf(reason, ENGINE_REASON_MAX, "its first process exited with %d",
	    WEXITSTATUS(c->status));
	return ENGINE_END_DIED;
}

void
oci_set_ended(struct oci_guest *c)
{
	char reason[ENGINE_REASON_MAX];
	enum engine_end end = end_of(c, reason);

	if (c->g.state == ENGINE_DOWN)
		return;
	oci_unwatch(c);
	c->ended = false;
	engine_set_down(&c->g, end, reason);
}

static enum flow_rc
tell_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	bool tell;

	if (oci_is_gone(c) || c->g.state == ENGINE_DOWN || c->shows_end)
		return FLOW_NEXT;
	tell = c->asked == OCI_ASKED_NOTHING;
	oci_set_ended(c);
	if (tell)
		engine_emit(&c->g, ENGINE_EV_DOWN, c->g.reason);
	return FLOW_NEXT;
}

static const struct flow_step bury_steps[] = {
	{ "clear", oci_clear_step, NULL, NULL, CLEAR_MS },
	{ "tell", tell_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

static void
on_buried(void *owner, struct flow *f, int rc, const struct err *e)
{
	if (rc)
		log_warn("engine", "%s", e->msg);
	oci_flow_ended(owner);
}

void
oci_bury(struct oci_guest *c)
{
	static const struct flow_hooks hooks = { .ended = on_buried };

	oci_flow_began(c);
	flow_start(flow_new(c->oci->flows, "oci bury", bury_steps, c, &hooks, c));
}

static enum flow_rc
down_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (!oci_is_gone(c))
		oci_set_ended(c);
	return FLOW_NEXT;
}

/* ---- start ---- */

enum flow_rc
oci_up_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_FAIL;
	c->run.phase = OCI_UP;
	if (oci_run_save(c, flow_err(f)))
		return FLOW_FAIL;
	oci_gates(c, true);
	c->shows_end = false;
	engine_set_state(&c->g, ENGINE_RUNNING, "");
	return FLOW_NEXT;
}

static const struct flow_step start_steps[] = {
	{ "guard", oci_guard_step, oci_guard_finish, oci_clear_step, OCI_RUNTIME_MS },
	{ "launch", oci_launch_step, oci_launched_finish, oci_clear_step,
	    OCI_LAUNCH_MS + 5000 },
	{ "runs", oci_runs_step, oci_runs_finish, NULL, 1 },
	{ "up", oci_up_step, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* From here on the record says that whatever is found of it is to be cleared away. */
static int
set_out(struct oci_guest *c, struct err *e)
{
	int rc = oci_dir_prepare(c, e);

	c->run.phase = OCI_STARTING;
	c->run.pid = 0;
	c->run.ticks = 0;
	c->run.n_loops = 0;
	return rc ? rc : oci_run_save(c, e);
}

int
oci_op_start(struct engine_guest *g, const struct engine_boot *b, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	int rc = oci_usable(c, e);

	if (rc)
		return rc;
	if (!b->cgroup)
		return err_set(e, ERR_UNAVAILABLE, "it has no control group");
	if (b->memory_fd >= 0)
		return oci_move_start(c, b, e);
	oci_name(c);
	oci_spec_take(c, b->spec);
	c->run = (struct oci_run){ .phase = OCI_NONE };
	snprintf(c->run.cgroup, sizeof(c->run.cgroup), "%s", b->cgroup);
	rc = oci_ground_take(c, b, e);
	if (!rc)
		rc = set_out(c, e);
	if (!rc)
		rc = oci_guard_begin(c, b->guard_until_us, e);
	if (rc) {
		oci_ground_drop(c);
		return rc;
	}
	c->g.stat = (struct engine_stat){ .pid = 0 };
	engine_set_state(g, ENGINE_STARTING, "");
	c->shows_end = true;
	oci_run_flow(c, "oci start", start_steps);
	return 0;
}

/* ---- stop and kill ---- */

static void
ask(const struct oci_guest *c)
{
	char exe[256];
	int signo;

	oci_program(c, exe, sizeof(exe));
	signo = oci_stop_signal(c->spec, exe);
	if (pidfd_send_signal(c->pidfd, signo, NULL, 0) && errno != ESRCH)
		log_warn("engine", "%s: cannot signal process %d: %s", c->who,
		    (int)c->run.pid, strerror(errno));
}

static uint64_t
time_left(const struct oci_guest *c)
{
	uint64_t now = loop_now_ms(c->g.engine->loop);

	return c->deadline_ms > now ? c->deadline_ms - now : 0;
}

/* One that has only just begun does not hear, so it is asked again. */
static enum flow_rc
asked_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	uint64_t left = time_left(c);

	if (oci_is_gone(c) || c->ended || c->pidfd < 0)
		return FLOW_NEXT;
	if (left > ASK_AGAIN_MS)
		left = ASK_AGAIN_MS;
	/* A wait of 0 would be one without a deadline. */
	flow_set_timeout(f, left ? (uint32_t)left : 1);
	ask(c);
	c->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
asked_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (!rc || oci_is_gone(c))
		return FLOW_NEXT;
	if (rc == ERR_TIMEOUT && time_left(c))
		return FLOW_AGAIN;
	if (rc == ERR_TIMEOUT)
		err_set(flow_err(f), ERR_TIMEOUT,
		    "%s did not shut down within %u s; it runs on", c->who,
		    (c->timeout_ms + 999) / 1000);
	return FLOW_FAIL;
}

static const struct flow_step stop_steps[] = {
	{ "ask", asked_start, asked_finish, NULL, 1 },
	{ "clear", oci_clear_step, NULL, NULL, CLEAR_MS },
	{ "down", down_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_op_stop(struct engine_guest *g, uint32_t timeout_ms, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);

	c->timeout_ms = timeout_ms;
	c->deadline_ms = loop_now_ms(g->engine->loop) + timeout_ms;
	c->asked = OCI_ASKED_SHUTDOWN;
	c->shows_end = true;
	oci_run_flow(c, "oci stop", stop_steps);
	return 0;
}

static const struct flow_step kill_steps[] = {
	{ "clear", oci_clear_step, NULL, NULL, CLEAR_MS },
	{ "down", down_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_op_kill(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);

	if (c->verb_flow)
		flow_cancel(c->verb_flow, "cut short by kill");
	oci_move_drop(c);
	oci_ground_drop(c);
	c->asked = OCI_ASKED_KILL;
	c->shows_end = true;
	c->keeps_guard = false;
	oci_run_flow(c, "oci kill", kill_steps);
	return 0;
}

/* ---- check ---- */

static enum flow_rc
version_start(struct flow *f, void *arg)
{
	static const char *const args[] = { "--version", NULL };
	struct oci_guest *c = arg;

	if (oci_is_gone(c) ||
	    oci_command(c, args, OCI_RUNTIME_MS, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

static enum flow_rc
version_finish(struct flow *f, void *arg, int rc)
{
	if (!rc)
		return FLOW_NEXT;
	err_wrap(flow_err(f), "the runtime");
	return FLOW_FAIL;
}

static const struct flow_step check_steps[] = {
	{ "version", version_start, version_finish, NULL, OCI_RUNTIME_MS + 5000 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_op_check(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	int rc = oci_usable(c, e);

	if (!rc)
		oci_run_flow(c, "oci check", check_steps);
	return rc;
}

/* ---- reset ---- */

/* A wire would go with the network namespace that its end is in. */
static enum flow_rc
wires_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_FAIL;
	if (c->next_nic == c->spec->n_nics || c->ended)
		return FLOW_NEXT;
	return oci_wire_out(c, c->next_nic, flow_wake(f), flow_err(f)) ? FLOW_FAIL
								       : FLOW_WAIT;
}

static enum flow_rc
wires_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (rc)
		return FLOW_FAIL;
	c->next_nic++;
	return FLOW_AGAIN;
}

/* From here on it starts anew, or it is down. */
static enum flow_rc
again_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_FAIL;
	oci_unwatch(c);
	engine_set_state(&c->g, ENGINE_STARTING, "");
	return set_out(c, flow_err(f)) ? FLOW_FAIL : FLOW_NEXT;
}

static enum flow_rc
again_undo(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (!oci_is_gone(c))
		oci_ground_drop(c);
	c->keeps_guard = false;
	return oci_clear_step(f, arg);
}

static const struct flow_step reset_steps[] = {
	{ "wires", wires_start, wires_finish, NULL, OCI_RUNTIME_MS + 5000 },
	{ "clear", oci_clear_step, NULL, NULL, CLEAR_MS },
	{ "again", again_start, NULL, again_undo, CLEAR_MS },
	{ "launch", oci_launch_step, oci_launched_finish, NULL, OCI_LAUNCH_MS + 5000 },
	{ "runs", oci_runs_step, oci_runs_finish, NULL, 1 },
	{ "up", oci_up_step, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_op_reset(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	int rc;

	/* What could not start again is not ended. */
	if (access(c->oci->runtime, X_OK))
		return err_sys(
		    e, ERR_UNAVAILABLE, errno, "the runtime %s", c->oci->runtime);
	rc = oci_ground_hold(c, e);
	if (rc)
		return rc;
	c->next_nic = 0;
	c->shows_end = true;
	c->keeps_guard = true;
	oci_gates(c, false);
	oci_run_flow(c, "oci reset", reset_steps);
	return 0;
}

/* ---- pause, resume, resize ---- */

static int
note_paused(struct oci_guest *c, bool paused, struct err *e)
{
	c->run.paused = paused;
	return oci_run_save(c, e);
}

static enum flow_rc
pause_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	const char *const args[] = { "pause", c->who, NULL };

	/* Before it: who adopts it makes it what the record says. */
	if (oci_is_gone(c) || note_paused(c, true, flow_err(f)) ||
	    oci_command(c, args, OCI_RUNTIME_MS, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

static enum flow_rc
pause_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (rc || oci_is_gone(c) || c->ended)
		return FLOW_FAIL;
	engine_set_state(&c->g, ENGINE_PAUSED, "");
	return FLOW_NEXT;
}

static enum flow_rc
pause_undo(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	struct err e = ERR_INIT;

	if (oci_is_gone(c) || c->g.state != ENGINE_RUNNING || c->ended)
		return FLOW_NEXT;
	if (oci_thaw(c, &e) || note_paused(c, false, &e))
		log_warn("engine", "%s: %s", c->who, e.msg);
	return FLOW_NEXT;
}

static enum flow_rc
resume_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	const char *const args[] = { "resume", c->who, NULL };

	if (oci_is_gone(c) || note_paused(c, false, flow_err(f)) ||
	    oci_command(c, args, OCI_RUNTIME_MS, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

static enum flow_rc
resume_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (rc || oci_is_gone(c) || c->ended)
		return FLOW_FAIL;
	engine_set_state(&c->g, ENGINE_RUNNING, "");
	return FLOW_NEXT;
}

static const struct flow_step pause_steps[] = {
	{ "pause", pause_start, pause_finish, pause_undo, OCI_RUNTIME_MS + 5000 },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct flow_step resume_steps[] = {
	{ "resume", resume_start, resume_finish, NULL, OCI_RUNTIME_MS + 5000 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_op_pause(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	int rc = oci_guard_pause_check(c, e);

	if (!rc)
		oci_run_flow(c, "oci pause", pause_steps);
	return rc;
}

int
oci_op_resume(struct engine_guest *g, struct err *e)
{
	oci_run_flow(oci_guest_of(g), "oci resume", resume_steps);
	return 0;
}

/* What it may use is its group's, and its group's limits are its caller's to set. */
int
oci_op_resize(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);

	oci_spec_take(c, spec);
	oci_stat(c);
	engine_done(g, 0, NULL);
	return 0;
}
