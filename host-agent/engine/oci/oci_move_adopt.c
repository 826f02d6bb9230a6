/*
 * What an agent that ended has left of a container that was on its way, and the way
 * back of one that was given but not taken.
 *
 * The container is where it can be found: its first process lives; or it is in images/,
 * whole, and is brought back from there; or it is gone.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move_int.h"
#include "host-agent/engine/oci/oci_watch.h"

#define CLEAR_MS 45000

static enum flow_rc
settle_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!oci_move_is_at_work(c) ||
	    loop_now_ms(c->g.engine->loop) - c->move->began_ms > OCI_LAUNCH_MS)
		return FLOW_NEXT;
	flow_set_timeout(f, OCI_WORK_MS);
	(void)flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
settle_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	return oci_move_is_cut(c, rc) ? FLOW_FAIL : FLOW_AGAIN;
}

/* ---- where it is ---- */

static bool
runtime_knows(const struct oci_guest *c)
{
	AUTO_FREE char *path =
	    xasprintf("%s/%s/state.json", c->oci->runtime_root, c->who);

	return !access(path, F_OK);
}

static bool
is_in_group(const struct oci_guest *c)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/cgroup", (int)c->run.pid);
	AUTO_FREE char *group = xasprintf("/%s/ct", c->run.cgroup);
	FILE *f = fopen(path, "re");
	char line[512];
	bool is = false;

	while (f && !is && fgets(line, sizeof(line), f))
		is = strstr(line, group) != NULL;
	if (f)
		fclose(f);
	return is;
}

/* One that has ended may still be there for its parent to see. */
static bool
watch_living(struct oci_guest *c)
{
	char exe[64];

	if (oci_watch(c, NULL))
		return false;
	oci_program(c, exe, sizeof(exe));
	if (*exe)
		return true;
	oci_unwatch(c);
	return false;
}

/* The one that the record names, or one that was restored when nobody looked. */
static bool
lives(struct oci_guest *c)
{
	const struct oci_run was = c->run;

	if (was.pid && watch_living(c))
		return true;
	free(MOVE(c->child_out));
	if (!runtime_knows(c) || oci_launched(c, was.phase, NULL)) {
		c->run = was;
		return false;
	}
	c->run.paused = was.paused;
	if (is_in_group(c)) {
		oci_move_find_loops(c);
		return true;
	}
	oci_unwatch(c);
	c->run = was;
	return false;
}

static enum flow_rc
found_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	struct oci_move *m = c->move;

	if (oci_is_gone(c) || !m)
		return FLOW_FAIL;
	if (lives(c)) {
		m->n_unwired = c->run.phase == OCI_ARRIVING || c->run.phase == OCI_UP
				   ? 0
				   : (unsigned)c->spec->n_nics;
		return FLOW_NEXT;
	}
	c->ended = true;
	m->saved = m->may_load && oci_move_has_images(c);
	if (m->saved)
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_NOT_FOUND, "%s",
	    m->may_load ? "it ended while it was being saved"
			: "it had not come whole when the agent ended");
	return oci_move_fail(f, c);
}

/* It runs on, or stands still, as it was wanted. */
static enum flow_rc
thaw_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	const char *const args[] = { "resume", c->who, NULL };

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails || c->move->saved)
		return FLOW_NEXT;
	if (c->run.phase != OCI_UP || !c->run.paused || c->move->was_paused)
		return oci_unfreeze_step(f, c);
	return oci_command(c, args, OCI_RUNTIME_MS, flow_wake(f), flow_err(f))
		   ? oci_move_fail(f, c)
		   : FLOW_WAIT;
}

static enum flow_rc
thaw_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	return rc ? oci_move_fail(f, c) : FLOW_NEXT;
}

static enum flow_rc
settled_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!c->move->fails) {
		oci_load_up(c, "adopted");
		oci_move_drop(c);
		return FLOW_NEXT;
	}
	return oci_move_clear(f, c);
}

static enum flow_rc
settled_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (!oci_move_cleared(f, c, rc))
		return FLOW_FAIL;
	c->ended = false;
	engine_set_down(&c->g, ENGINE_END_DIED, c->move->why.msg);
	err_set(flow_err(f), ERR_NOT_FOUND, "%s does not run any more: %.180s", c->who,
	    c->move->why.msg);
	oci_move_drop(c);
	return FLOW_FAIL;
}

static const struct flow_step adopt_steps[] = {
	{ "guard", oci_load_guard_step, oci_load_guard_finish, NULL, OCI_RUNTIME_MS },
	{ "settle", settle_start, settle_finish, NULL, OCI_WORK_MS },
	{ "found", found_start, NULL, NULL, 0 },
	{ "rewire", oci_rewire_step, oci_rewire_finish, NULL, OCI_RUNTIME_MS },
	{ "thaw", thaw_start, thaw_finish, NULL, OCI_RUNTIME_MS },
	{ "load", oci_load_step, oci_load_finish, NULL, OCI_SAVE_MS },
	{ "pause", oci_load_pause_step, oci_load_pause_finish, NULL, OCI_RUNTIME_MS },
	{ "wires", oci_load_wires_step, oci_load_wires_finish, NULL, OCI_RUNTIME_MS },
	{ "settled", settled_start, settled_finish, NULL, CLEAR_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static void
adopt_it(struct oci_guest *c, enum engine_state meanwhile, bool may_load, bool paused)
{
	oci_move_new(c);
	c->move->may_load = may_load;
	c->move->was_paused = paused;
	c->shows_end = true;
	engine_set_state(&c->g, meanwhile, "adopted");
	oci_run_flow(c, "oci adopt moving", adopt_steps);
}

/* Nothing of it runs here, and only its caller knows whether it may. */
static void
adopt_given(struct oci_guest *c)
{
	c->ended = true;
	engine_set_state(&c->g, ENGINE_GIVEN, "adopted");
	engine_done(&c->g, 0, NULL);
}

int
oci_move_adopt(struct oci_guest *c, struct err *e)
{
	if (c->run.phase == OCI_GIVEN)
		adopt_given(c);
	else
		adopt_it(
		    c, ENGINE_LEAVING, c->run.phase != OCI_ARRIVING, c->run.paused);
	return 0;
}

int
oci_op_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	struct err why = ERR_INIT;

	oci_name(c);
	oci_spec_take(c, spec);
	if (oci_run_load(c, &why)) {
		engine_set_down(g, ENGINE_END_DIED, why.msg);
		return err_set(
		    e, ERR_NOT_FOUND, "%s does not run any more: %s", c->who, why.msg);
	}
	oci_guard_adopt(c);
	if (how == ENGINE_MOVES_OUT)
		return oci_move_adopt(c, e);
	adopt_it(c, ENGINE_ARRIVING, false, !run);
	return 0;
}

/* ---- given, but not taken ---- */

static enum flow_rc
take_back_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	c->run.phase = OCI_LEAVING;
	if (oci_run_save(c, flow_err(f)))
		return FLOW_FAIL;
	return oci_load_step(f, c);
}

static enum flow_rc
taken_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails)
		return oci_stay_step(f, c);
	oci_load_up(c, "taken back");
	oci_move_drop(c);
	return FLOW_NEXT;
}

static const struct flow_step take_back_steps[] = {
	{ "guard", oci_load_guard_step, oci_load_guard_finish, NULL, OCI_RUNTIME_MS },
	{ "load", take_back_start, oci_load_finish, NULL, OCI_SAVE_MS },
	{ "pause", oci_load_pause_step, oci_load_pause_finish, NULL, OCI_RUNTIME_MS },
	{ "wires", oci_load_wires_step, oci_load_wires_finish, NULL, OCI_RUNTIME_MS },
	{ "taken", taken_start, oci_stay_finish, NULL, CLEAR_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_op_take_back(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);

	oci_move_new(c);
	c->move->saved = true;
	c->move->was_paused = c->run.paused;
	c->shows_end = true;
	oci_run_flow(c, "oci take back", take_back_steps);
	return 0;
}
