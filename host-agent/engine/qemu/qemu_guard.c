#include "host-agent/engine/qemu/qemu_guard.h"

#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "loop/child.h"

static void
strike(struct qemu_guest *q, const char *why)
{
	snprintf(q->struck, sizeof(q->struck), "%s", why);
}

static void
take_process(struct qemu_guest *q, const struct guard_state *s)
{
	struct err e = ERR_INIT;
	uint64_t ticks = 0;
	int rc;

	if (q->watch || !s->pid)
		return;
	q->g.stat.pid = s->pid;
	rc = pid_start_ticks(s->pid, &ticks, &e);
	if (!rc)
		rc = qemu_proc_watch(q, s->pid, ticks, &e);
	if (!rc)
		rc = qemu_run_save(q, &e);
	/* One that has ended meanwhile is told about as ended. */
	if (rc)
		log_info("engine", "%s: %s", q->who, e.msg);
	post_wake(q->g.engine->loop, q->guard_wake, 0, NULL);
}

static void
on_guard(void *arg, const struct guard_state *s)
{
	static const int killed = SIGKILL;
	struct qemu_guest *q = arg;

	switch (s->life) {
	case GUARD_LIFE_STARTS:
	case GUARD_LIFE_RUNS:
		if (s->heard)
			take_process(q, s);
		else
			log_warn(
			    "engine", "%s: its guard does not answer any more", q->who);
		break;
	case GUARD_LIFE_FAILED:
		strike(q, s->over ? ENGINE_LEASE_OVER : s->why.msg);
		qemu_proc_ended(q, NULL);
		break;
	case GUARD_LIFE_ENDED:
		qemu_proc_ended(q, &s->status);
		break;
	case GUARD_LIFE_KILLED:
		strike(q, s->over ? ENGINE_LEASE_OVER : "its guard was killed");
		qemu_proc_ended(q, &killed);
		break;
	}
}

int
qemu_guard_start(
    struct qemu_guest *q, const struct child_opts *o, uint64_t until_us, struct err *e)
{
	struct guard_opts go = {
		.guard = q->qemu->guard,
		.dir = q->g.dir,
		.deadline_us = until_us,
		.argv = o->argv,
		.cwd = o->cwd,
		.output_path = o->stderr_path,
		.pass_fds = o->pass_fds,
		.n_pass_fds = o->n_pass_fds,
		.uid = o->uid,
		.gid = o->gid,
		.join_cgroups = o->join_cgroups,
	};

	return guard_client_start(q->g.engine->loop, &go, on_guard, q, &q->guard, e);
}

void
qemu_guard_adopt(struct qemu_guest *q)
{
	struct err e = ERR_INIT;
	int rc;

	q->guard_lost = false;
	*q->struck = '\0';
	rc =
	    guard_client_adopt(q->g.engine->loop, q->g.dir, on_guard, q, &q->guard, &e);
	if (rc != ERR_LOST)
		return;
	/* Then the kernel ends the guest as well. */
	log_warn("engine", "%s: %s", q->who, e.msg);
	q->guard_lost = true;
	strike(q, ENGINE_LEASE_OVER ", or its guard was killed, while no agent ran");
}

void
qemu_guard_release(struct qemu_guest *q)
{
	struct err e = ERR_INIT;

	if (!q->guard || guard_client_state(q->guard)->life == GUARD_LIFE_KILLED)
		return;
	/* It goes by itself after a while. */
	if (guard_client_release(q->guard, &e))
		log_info("engine", "%s: %s", q->who, e.msg);
}

void
qemu_guard_drop(struct qemu_guest *q)
{
	guard_client_free(MOVE(q->guard));
}

bool
qemu_guard_may_tell(const struct qemu_guest *q)
{
	return q->guard && guard_client_state(q->guard)->life <= GUARD_LIFE_RUNS;
}

void
qemu_guard_kill(struct qemu_guest *q)
{
	struct err e = ERR_INIT;

	if (guard_client_kill(q->guard, &e))
		log_warn("engine", "%s: cannot kill it: %s", q->who, e.msg);
}

enum flow_rc
qemu_guarded_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (qemu_is_gone(q) || q->g.state == ENGINE_DOWN)
		return FLOW_FAIL;
	if (!q->guard || guard_client_state(q->guard)->life != GUARD_LIFE_STARTS)
		return FLOW_NEXT;
	q->guard_wake = flow_wake(f);
	return FLOW_WAIT;
}

int
qemu_op_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	if (!q->guard)
		return err_set(e, ERR_LOST, "its guard has ended");
	return guard_client_arm(q->guard, deadline_us, e);
}

struct engine_guard
qemu_op_guard(const struct engine_guest *g)
{
	const struct qemu_guest *q = (const struct qemu_guest *)g;

	struct engine_guard is = engine_guard_of(q->guard);

	is.guarded |= q->guard_lost;
	return is;
}
