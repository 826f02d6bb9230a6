#include "host-agent/engine/oci/oci_guard.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define OLD_FREEZER  OCI_CGROUPS "/freezer"
#define GUARD_SOCKET "guard.sock"

static enum guard_life
life_of(const struct oci_guest *c)
{
	return c->guard ? guard_client_state(c->guard)->life : GUARD_LIFE_KILLED;
}

static void
strike(struct oci_guest *c, const char *why)
{
	snprintf(c->struck_text, sizeof(c->struck_text), "%s", why);
	c->struck = c->struck_text;
}

/* One that stands still can be killed, but not end. */
static void
let_die(struct oci_guest *c)
{
	struct err e = ERR_INIT;

	if (oci_thaw(c, &e))
		log_warn("engine", "%s", e.msg);
}

static void
on_guard(void *arg, const struct guard_state *s)
{
	struct oci_guest *c = arg;

	switch (s->life) {
	case GUARD_LIFE_STARTS:
	case GUARD_LIFE_RUNS:
		if (s->heard)
			break;
		log_info("engine", "%s: its guard does not answer any more", c->who);
		let_die(c);
		break;
	case GUARD_LIFE_FAILED:
		strike(c, s->over ? ENGINE_LEASE_OVER : s->why.msg);
		break;
	case GUARD_LIFE_ENDED:
		break;
	case GUARD_LIFE_KILLED:
		strike(c, s->over ? ENGINE_LEASE_OVER : "its guard was killed");
		break;
	}
	post_wake(c->g.engine->loop, c->guard_wake, 0, NULL);
}

int
oci_guard_begin(struct oci_guest *c, uint64_t until_us, struct err *e)
{
	AUTO_FREE char *log = xasprintf("%s/stderr.log", c->g.dir);
	const struct guard_opts o = {
		.guard = c->oci->guard,
		.dir = c->g.dir,
		.deadline_us = until_us,
		.output_path = log,
	};

	oci_guard_forget(c);
	c->struck = NULL;
	if (!until_us)
		return 0;
	c->guarded = true;
	return guard_client_start(c->g.engine->loop, &o, on_guard, c, &c->guard, e);
}

void
oci_guard_adopt(struct oci_guest *c)
{
	struct err e = ERR_INIT;
	int rc;

	oci_guard_drop(c);
	c->struck = NULL;
	c->guard_ends = c->keeps_guard = false;
	rc =
	    guard_client_adopt(c->g.engine->loop, c->g.dir, on_guard, c, &c->guard, &e);
	c->guarded = !rc || rc == ERR_LOST;
	if (rc != ERR_LOST)
		return;
	/* Then the kernel ends the container as well. */
	log_warn("engine", "%s: %s", c->who, e.msg);
	strike(c, ENGINE_LEASE_OVER ", or its guard was killed, while no agent ran");
	let_die(c);
}

enum flow_rc
oci_guard_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_FAIL;
	if (!c->guarded || life_of(c) == GUARD_LIFE_RUNS)
		return FLOW_NEXT;
	if (life_of(c) == GUARD_LIFE_STARTS) {
		c->guard_wake = flow_wake(f);
		return FLOW_WAIT;
	}
	err_set(flow_err(f), ERR_LOST, "%s", oci_guard_why(c));
	return FLOW_FAIL;
}

enum flow_rc
oci_guard_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || rc == ERR_CANCELLED)
		return FLOW_FAIL;
	if (!rc)
		return FLOW_AGAIN;
	err_set(flow_err(f), rc, "%s: its guard does not answer", c->who);
	return FLOW_FAIL;
}

int
oci_guard_init(const struct oci_guest *c)
{
	if (c->guard_ends || life_of(c) != GUARD_LIFE_RUNS)
		return -1;
	return guard_client_pidfd(c->guard);
}

const char *
oci_guard_why(const struct oci_guest *c)
{
	return c->struck ? c->struck : "its guard has ended";
}

/* ---- its end ---- */

void
oci_guard_kill(struct oci_guest *c)
{
	struct err e = ERR_INIT;

	if (!c->guard || c->keeps_guard || c->guard_ends)
		return;
	c->guard_ends = true;
	if (life_of(c) <= GUARD_LIFE_RUNS && guard_client_kill(c->guard, &e))
		log_warn("engine", "%s: %s", c->who, e.msg);
}

bool
oci_guard_is_over(const struct oci_guest *c)
{
	return c->keeps_guard || life_of(c) > GUARD_LIFE_RUNS;
}

void
oci_guard_forget(struct oci_guest *c)
{
	AUTO_FREE char *path = xasprintf("%s/" GUARD_SOCKET, c->g.dir);
	struct err e = ERR_INIT;

	/* Where a kill has overtaken a reset it still holds nothing. */
	c->keeps_guard = false;
	oci_guard_kill(c);
	if (c->guard && life_of(c) != GUARD_LIFE_KILLED &&
	    guard_client_release(c->guard, &e))
		log_info("engine", "%s: %s", c->who, e.msg);
	oci_guard_drop(c);
	if (c->guarded && unlink(path) && errno != ENOENT)
		log_warn("engine", "cannot remove %s", path);
	c->guarded = c->guard_ends = c->keeps_guard = false;
}

void
oci_guard_drop(struct oci_guest *c)
{
	guard_client_free(MOVE(c->guard));
}

/* ---- what the engine is asked ---- */

/*
 * What stands still in it outlives its deadline unless we thaw it, and the kernel
 * writes on for it.  For the moments of a move that is borne; not for as long as
 * somebody likes.
 */
static bool
has_old_freezer(void)
{
	return !access(OLD_FREEZER, F_OK);
}

static bool
has_deadline(const struct oci_guest *c)
{
	return c->guarded && oci_op_guard(&c->g).deadline_us != GUARD_NO_DEADLINE;
}

int
oci_guard_pause_check(const struct oci_guest *c, struct err *e)
{
	if (!has_deadline(c) || !has_old_freezer())
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
	    "%s runs under a lease, and this host's freezer (cgroup v1) would keep it"
	    " beyond its end",
	    c->who);
}

int
oci_op_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);

	if (!c->guard)
		return err_set(e, ERR_LOST, "%s", oci_guard_why(c));
	if (g->state == ENGINE_PAUSED && deadline_us != GUARD_NO_DEADLINE &&
	    !has_deadline(c) && has_old_freezer())
		return err_set(e, ERR_UNSUPPORTED,
		    "it is paused, and this host's freezer (cgroup v1) would keep it"
		    " beyond that");
	return guard_client_arm(c->guard, deadline_us, e);
}

struct engine_guard
oci_op_guard(const struct engine_guest *g)
{
	const struct oci_guest *c = (const struct oci_guest *)g;
	struct engine_guard is = engine_guard_of(c->guard);

	is.guarded |= c->guarded;
	return is;
}
