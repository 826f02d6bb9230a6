/* Files become a container's processes again. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move_int.h"
#include "host-agent/engine/oci/oci_watch.h"

#define NICS_MAX 16 /* of whose neighbours it is worth a while */

/* Only what is in its images, and nowhere else, is brought back. */
static bool
is_wanted(const struct oci_guest *c)
{
	return c->move->saved;
}

static int
launch(struct oci_guest *c, struct wake w, struct err *e)
{
	AUTO_FREE char *images = oci_move_path(c, "images");
	AUTO_FREE char *work = oci_move_path(c, "work");
	const char *const global[] = { "--criu", c->oci->criu, NULL };
	const char *const args[] = { "--image-path", images, "--work-path", work,
		"--tcp-established", "--file-locks", "--empty-ns", "network", NULL };
	const struct oci_launch l = { global, "restore", args,
		oci_move_patience_ms(c) };

	oci_unwatch(c);
	oci_ground_name(c);
	return oci_launch(c, &l, w, e);
}

enum flow_rc
oci_load_guard_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	enum flow_rc next;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails)
		return FLOW_NEXT;
	next = oci_guard_step(f, c);
	return next == FLOW_FAIL ? oci_move_fail(f, c) : next;
}

enum flow_rc
oci_load_guard_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	return oci_guard_finish(f, c, rc) == FLOW_FAIL ? oci_move_fail(f, c)
						       : FLOW_AGAIN;
}

enum flow_rc
oci_load_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!is_wanted(c))
		return FLOW_NEXT;
	if ((!c->ground.n && oci_ground_open(c, flow_err(f))) ||
	    oci_move_map_ids(c, flow_err(f)) || oci_move_mend_timers(c, flow_err(f)) ||
	    launch(c, flow_wake(f), flow_err(f)))
		return oci_move_fail(f, c);
	oci_move_criu_begin(c);
	return FLOW_WAIT;
}

enum flow_rc
oci_load_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	if (!rc)
		rc = oci_launched(c, c->run.phase, flow_err(f));
	oci_move_criu_end(c, "restore.log", flow_err(f));
	if (!rc) {
		c->move->saved = false;
		c->ended = false;
		return FLOW_NEXT;
	}
	err_wrap(flow_err(f), "its processes cannot be restored");
	return oci_move_fail(f, c);
}

enum flow_rc
oci_load_pause_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	const char *const args[] = { "pause", c->who, NULL };

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!c->move->was_paused || c->move->saved)
		return FLOW_NEXT;
	return oci_command(c, args, OCI_RUNTIME_MS, flow_wake(f), flow_err(f))
		   ? oci_move_fail(f, c)
		   : FLOW_WAIT;
}

enum flow_rc
oci_load_pause_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	if (rc)
		c->move->was_paused = false;
	/* One that was paused all along is paused already. */
	err_clear(flow_err(f));
	return FLOW_NEXT;
}

enum flow_rc
oci_load_wires_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	char pid[16], names[NICS_MAX][16];
	const char *args[NICS_MAX + 4] = { "nic-fresh", "--pid", pid };
	struct err e = ERR_INIT;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	/* One that fails to arrive may not speak, whether it was restored or not. */
	if ((c->move->fails && c->run.phase == OCI_ARRIVING) || c->move->saved ||
	    c->ended || !c->run.pid || !c->spec->n_nics)
		return FLOW_NEXT;
	oci_gates(c, true);
	snprintf(pid, sizeof(pid), "%d", (int)c->run.pid);
	for (size_t i = 0; i < c->spec->n_nics && i < NICS_MAX; i++) {
		snprintf(
		    names[i], sizeof(names[i]), "eth%u", engine_nic_slot(c->spec, i));
		args[3 + i] = names[i];
	}
	if (!oci_stage(c, args, flow_wake(f), &e))
		return FLOW_WAIT;
	log_info("engine", "%s: %s", c->who, e.msg);
	return FLOW_NEXT;
}

/* Without it they are asked again a second later. */
enum flow_rc
oci_load_wires_finish(struct flow *f, void *arg, int rc)
{
	return oci_move_may_fail(f, arg, rc) ? FLOW_NEXT : FLOW_FAIL;
}

void
oci_load_up(struct oci_guest *c, const char *why)
{
	struct err e = ERR_INIT;

	c->run.phase = OCI_UP;
	c->run.paused = c->move->was_paused;
	if (oci_run_save(c, &e))
		log_warn("engine", "%s: %s", c->who, e.msg);
	oci_gates(c, true);
	oci_move_forget(c);
	oci_ground_drop(c);
	c->shows_end = false;
	engine_set_state(
	    &c->g, c->move->was_paused ? ENGINE_PAUSED : ENGINE_RUNNING, why);
	if (c->ended)
		oci_bury(c);
}

/* Up again, or lost for good. */
enum flow_rc
oci_stay_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!c->ended && !c->move->saved) {
		oci_load_up(c, "it stays");
		*flow_err(f) = c->move->why;
		oci_carry_free(MOVE(c->move->carry));
		return FLOW_FAIL;
	}
	return oci_move_clear(f, c);
}

enum flow_rc
oci_stay_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;
	char why[ENGINE_REASON_MAX];

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	snprintf(why, sizeof(why), "%.200s", c->move->why.msg);
	*flow_err(f) = c->move->why;
	err_wrap(flow_err(f), "%s is lost", c->who);
	oci_carry_free(MOVE(c->move->carry));
	oci_gates(c, true);
	oci_move_forget(c);
	engine_set_down(&c->g, ENGINE_END_DIED, why);
	engine_emit(&c->g, ENGINE_EV_DOWN, why);
	return FLOW_FAIL;
}
