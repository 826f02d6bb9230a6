#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move.h"
#include "host-agent/engine/oci/oci_watch.h"

#define CLEAR_MS 45000
#define ADOPT_MS 5000 /* of a guard's word */

/* ---- nothing lives ---- */

static enum flow_rc
lost_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	char why[ENGINE_REASON_MAX];

	if (oci_is_gone(c))
		return FLOW_FAIL;
	snprintf(why, sizeof(why), "%s", c->g.reason);
	engine_set_down(&c->g, ENGINE_END_DIED, why);
	err_set(flow_err(f), ERR_NOT_FOUND, "%s does not run any more: %s", c->who,
	    c->g.reason);
	return FLOW_FAIL;
}

static const struct flow_step lost_steps[] = {
	{ "clear", oci_clear_step, NULL, NULL, CLEAR_MS },
	{ "lost", lost_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

static void
clear_away(struct oci_guest *c, const char *why)
{
	c->shows_end = true;
	snprintf(c->g.reason, sizeof(c->g.reason), "%s", why);
	oci_run_flow(c, "oci clear away", lost_steps);
}

/* ---- it lives ---- */

/* As the record says, whatever the agent did not live to do. */
static enum flow_rc
freezer_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	const char *const args[] = { "pause", c->who, NULL };

	if (oci_is_gone(c))
		return FLOW_FAIL;
	if (!c->run.paused)
		return oci_thaw(c, flow_err(f)) ? FLOW_FAIL : FLOW_NEXT;
	if (oci_command(c, args, OCI_RUNTIME_MS, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

/* The runtime does not pause what is paused; it stays as it is. */
static enum flow_rc
freezer_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (rc && !oci_is_gone(c))
		log_info("engine", "%s: %s", c->who, flow_err(f)->msg);
	return FLOW_NEXT;
}

static enum flow_rc
settle_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_FAIL;
	if (c->ended) {
		oci_set_ended(c);
		err_set(flow_err(f), ERR_NOT_FOUND, "%s does not run any more: %s",
		    c->who, c->g.reason);
		return FLOW_FAIL;
	}
	c->shows_end = false;
	if (c->run.phase != OCI_UP) {
		c->run.phase = OCI_UP;
		if (oci_run_save(c, flow_err(f)))
			return FLOW_FAIL;
	}
	if (c->run.paused)
		engine_set_state(&c->g, ENGINE_PAUSED, "adopted");
	oci_gates(c, true);
	return FLOW_NEXT;
}

/* It may end while it is settled. */
static enum flow_rc
ended_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	return c->ended ? oci_clear_step(f, arg) : FLOW_NEXT;
}

/* Without a word from its guard what is known is that it lives. */
static enum flow_rc
guard_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	return c->ended || c->struck ? FLOW_NEXT : oci_guard_step(f, c);
}

static const struct flow_step adopt_steps[] = {
	{ "guard", guard_start, oci_guard_finish, NULL, ADOPT_MS },
	{ "freezer", freezer_start, freezer_finish, NULL, OCI_RUNTIME_MS + 5000 },
	{ "ended", ended_start, NULL, NULL, CLEAR_MS },
	{ "settle", settle_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_op_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	struct err why = ERR_INIT;
	char program[64];
	int rc;

	oci_name(c);
	oci_spec_take(c, spec);
	rc = oci_run_load(c, &why);
	if (rc) {
		engine_set_down(g, ENGINE_END_DIED, why.msg);
		return err_set(
		    e, ERR_NOT_FOUND, "%s does not run any more: %s", c->who, why.msg);
	}
	oci_guard_adopt(c);
	if (c->run.phase == OCI_SAVING || c->run.phase == OCI_LEAVING ||
	    c->run.phase == OCI_GIVEN)
		return oci_move_adopt(c, e);
	if (c->run.phase == OCI_STARTING || c->run.phase == OCI_ARRIVING) {
		clear_away(c, "it was still being started");
		return 0;
	}
	oci_program(c, program, sizeof(program));
	/* A dead one that its parent has not taken notice of has no program. */
	if (oci_watch(c, &why) || !*program) {
		clear_away(c, c->struck ? c->struck : "its first process is gone");
		return 0;
	}
	/* Until it is as its record says; what is known is that it lives. */
	engine_set_state(g, ENGINE_RUNNING, "adopted");
	c->shows_end = true;
	oci_run_flow(c, "oci adopt", adopt_steps);
	return 0;
}
