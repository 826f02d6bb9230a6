/* A container that comes: from a file, or from another host. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_dump_check.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move_int.h"
#include "host-agent/engine/oci/oci_watch.h"

#define MIB 1048576ull
#define SLACK \
	(1024 * MIB) /* what the kernel knows of processes, besides their memory */

/* What is held in memory inside counts there, also files of a tmpfs. */
static uint64_t
images_max(const Drover__GuestSpec *spec)
{
	uint64_t mb = spec->memory_mb;

	if (spec->container)
		mb += spec->container->swap_limit_mb;
	return mb * MIB + SLACK;
}

static int
begin(struct oci_guest *c, const struct engine_boot *b, unsigned n_lanes, int stream_fd,
    struct err *e)
{
	AUTO_CLOSE int images = -1;
	struct oci_move *m;
	int rc;

	oci_name(c);
	oci_spec_take(c, b->spec);
	c->run = (struct oci_run){ .phase = OCI_ARRIVING };
	snprintf(
	    c->run.cgroup, sizeof(c->run.cgroup), "%s", b->cgroup ? b->cgroup : "");
	rc = oci_dir_prepare(c, e);
	if (!rc)
		rc = oci_ground_take(c, b, e);
	/* Until the launch it is somebody else who uses it. */
	*c->run.image = '\0';
	if (!rc)
		rc = oci_run_save(c, e);
	if (!rc)
		rc = oci_move_images(c, &images, e);
	if (rc)
		return rc;
	m = oci_move_new(c);
	m->n_lanes = n_lanes;
	m->carry = oci_carry_new(c->g.engine->loop, n_lanes);
	rc = oci_carry_lane(m->carry, 0, stream_fd, images, e);
	return rc ? rc : oci_guard_begin(c, b->guard_until_us, e);
}

static void
forget(struct oci_guest *c)
{
	oci_move_drop(c);
	oci_move_forget(c);
	oci_ground_drop(c);
	oci_guard_forget(c);
	oci_run_drop(c);
}

/* ---- from a file ---- */

static enum flow_rc
unpack_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	oci_carry_begin(c->move->carry, 0, OCI_LOAD_UNPACK, images_max(c->spec));
	return oci_move_carry_step(f, c);
}

static enum flow_rc
load_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	c->move->saved = !c->move->fails;
	if (c->move->saved && !oci_move_has_images(c)) {
		c->move->saved = false;
		err_set(flow_err(f), ERR_CORRUPT, "its memory has no inventory");
		return oci_move_fail(f, c);
	}
	c->move->sent_ms = loop_now_ms(c->g.engine->loop);
	fault_point("oci.load");
	return oci_load_step(f, c);
}

static enum flow_rc
up_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!c->move->fails) {
		oci_load_up(c, "");
		oci_move_drop(c);
		return FLOW_NEXT;
	}
	return oci_move_clear(f, c);
}

/* ENGINE_DOWN follows from the state that it was in. */
static enum flow_rc
up_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (!oci_move_cleared(f, c, rc))
		return FLOW_FAIL;
	*flow_err(f) = c->move->why;
	return FLOW_FAIL;
}

static const struct flow_step start_steps[] = {
	{ "unpack", unpack_start, oci_move_begun_finish, oci_move_undo, OCI_LOOK_MS },
	{ "unpacked", oci_move_carry_wait, oci_move_carry_finish, NULL, OCI_LOOK_MS },
	{ "guard", oci_load_guard_step, oci_load_guard_finish, NULL, OCI_RUNTIME_MS },
	{ "load", load_start, oci_load_finish, NULL, OCI_SAVE_MS },
	{ "wires", oci_load_wires_step, oci_load_wires_finish, NULL, OCI_RUNTIME_MS },
	{ "up", up_start, up_finish, NULL, OCI_RUNTIME_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
oci_move_start(struct oci_guest *c, const struct engine_boot *b, struct err *e)
{
	int rc;

	if (!engine_can(&c->oci->en, ENGINE_CAP_SUSPEND))
		return err_set(e, ERR_UNSUPPORTED,
		    "it was suspended, and this host cannot bring it back: %s",
		    c->oci->en.facts.caps[ENGINE_CAP_SUSPEND].why_not);
	rc = begin(c, b, 1, b->memory_fd, e);
	if (rc) {
		forget(c);
		return rc;
	}
	c->shows_end = true;
	engine_set_state(&c->g, ENGINE_STARTING, "");
	oci_run_flow(c, "oci start from memory", start_steps);
	return 0;
}

/* ---- from another host ---- */

static enum flow_rc
arrived_pause(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	return c->move->fails ? FLOW_NEXT : oci_load_pause_step(f, arg);
}

static enum flow_rc
arrived_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	struct oci_move *m = c->move;
	uint64_t now = loop_now_ms(c->g.engine->loop);

	fault_point("oci.loaded");
	if (oci_is_gone(c) || !m)
		return FLOW_FAIL;
	if (m->fails)
		return up_start(f, c);
	c->g.progress.phase = "";
	c->g.progress.total_ms = now > m->began_ms ? now - m->began_ms : 1;
	snprintf(c->g.progress.note, sizeof(c->g.progress.note), "restored %u ms",
	    (unsigned)(now - m->sent_ms));
	oci_load_up(c, "it has come");
	return FLOW_NEXT;
}

static const struct flow_step arrival_steps[] = {
	{ "come", oci_move_carry_wait, oci_move_carry_finish, oci_move_undo,
	    OCI_LOOK_MS },
	{ "guard", oci_load_guard_step, oci_load_guard_finish, NULL, OCI_RUNTIME_MS },
	{ "load", load_start, oci_load_finish, NULL, OCI_SAVE_MS },
	{ "pause", arrived_pause, oci_load_pause_finish, NULL, OCI_RUNTIME_MS },
	{ "wires", oci_load_wires_step, oci_load_wires_finish, NULL, OCI_RUNTIME_MS },
	{ "arrived", arrived_start, up_finish, NULL, OCI_RUNTIME_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static void
on_arrival_end(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct oci_guest *c = owner;
	struct err why = rc ? *e : (struct err)ERR_INIT;

	if (!oci_flow_ended(c) || !c->move || c->move->arrival != f)
		return;
	c->move->arrival = NULL;
	oci_move_drop(c);
	if (rc) {
		err_set(
		    &why, ERR_LOST, "%s did not come whole: %.180s", c->who, e->msg);
		log_notice("engine", "%s", why.msg);
		c->shows_end = false;
		engine_set_down(&c->g, ENGINE_END_NONE, e->msg);
	} else {
		oci_stat(c);
	}
	if (c->g.busy && c->g.verb == ENGINE_MOVE_WAIT)
		engine_done(&c->g, rc ? ERR_LOST : 0, &why);
}

static void
begin_arrival(struct oci_guest *c)
{
	static const struct flow_hooks hooks = { .ended = on_arrival_end };
	struct oci_move *m = c->move;

	oci_carry_begin(m->carry, 0, OCI_LOAD_UNPACK, images_max(c->spec));
	if (m->n_lanes > 1)
		oci_carry_begin(m->carry, 1, OCI_LOAD_TAKE, 0);
	m->arrival =
	    flow_new(c->oci->flows, "oci arrival", arrival_steps, c, &hooks, c);
	oci_flow_began(c);
	flow_start(m->arrival);
}

static int
take_streams(struct oci_guest *c, const struct engine_boot *b,
    const struct engine_arrival *a, struct err *e)
{
	int rc;

	if (a->n_disks > 1)
		return err_set(e, ERR_UNSUPPORTED, "a container has one disk");
	rc = begin(c, b, 1 + (unsigned)a->n_disks, a->memory_fd, e);
	if (!rc && a->n_disks)
		rc = oci_carry_lane(
		    c->move->carry, 1, a->disks[0].fd, c->ground.fds[0], e);
	return rc;
}

int
oci_op_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	int rc = oci_usable(c, e);

	if (!rc)
		rc = oci_shape_check(c, a->shape, a->n_shape, e);
	if (!rc && a->memory_fd < 0)
		rc = err_set(e, ERR_INVALID, "there is no stream for its memory");
	if (rc)
		return rc;
	rc = take_streams(c, b, a, e);
	if (rc) {
		forget(c);
		return rc;
	}
	c->move->was_paused = !a->run;
	c->shows_end = true;
	engine_set_state(g, ENGINE_ARRIVING, "");
	begin_arrival(c);
	engine_done(g, 0, NULL);
	return 0;
}

int
oci_op_move_wait(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);

	/* Its arrival tells when it has ended. */
	if (c->move && c->move->arrival)
		return 0;
	return err_set(e, ERR_LOST, "%s has not come%s%s", c->who,
	    *g->reason ? ": " : "", g->reason);
}
