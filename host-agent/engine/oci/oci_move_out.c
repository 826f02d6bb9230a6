/* A container that goes: into a file, or to another host. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_dump_check.h"
#include "host-agent/engine/oci/oci_move_int.h"
#include "host-agent/engine/oci/oci_pack.h"

#define FLUSH_MS (OCI_SAVE_MS + 5000)

static int
lane_of_images(struct oci_guest *c, int stream_fd, struct err *e)
{
	AUTO_CLOSE int images = -1;
	int rc = oci_move_images(c, &images, e);

	return rc ? rc : oci_carry_lane(c->move->carry, 0, stream_fd, images, e);
}

static int
begin(struct oci_guest *c, unsigned n_lanes, int stream_fd, struct err *e)
{
	struct oci_move *m;

	if (c->run.n_loops == 0)
		return err_set(e, ERR_BAD_STATE,
		    "nobody knows the loop devices that %s stands on", c->who);
	m = oci_move_new(c);
	m->was_paused = c->g.state == ENGINE_PAUSED;
	m->n_lanes = n_lanes;
	m->carry = oci_carry_new(c->g.engine->loop, n_lanes);
	return lane_of_images(c, stream_fd, e);
}

/* ---- suspend ---- */

static enum flow_rc
write_images(struct flow *f, struct oci_guest *c, enum oci_load load)
{
	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails)
		return FLOW_NEXT;
	oci_carry_begin(c->move->carry, 0, load, 0);
	return oci_move_carry_step(f, c);
}

static enum flow_rc
pack_start(struct flow *f, void *arg)
{
	return write_images(f, arg, OCI_LOAD_PACK);
}

static enum flow_rc
seal_start(struct flow *f, void *arg)
{
	return write_images(f, arg, OCI_LOAD_SEAL);
}

/* Nothing of it is left on this host but the file. */
static enum flow_rc
away_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails)
		return FLOW_NEXT;
	return oci_move_clear(f, c);
}

static enum flow_rc
away_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (!oci_move_cleared(f, c, rc))
		return FLOW_FAIL;
	engine_set_down(&c->g, ENGINE_END_SUSPENDED, "");
	return FLOW_NEXT;
}

static enum flow_rc
suspended_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails)
		err_wrap(&c->move->why, "%s is not suspended", c->who);
	else
		oci_move_drop(c);
	return FLOW_NEXT;
}

/* Where it has gone well nothing follows. */
static enum flow_rc
if_failed(
    struct flow *f, struct oci_guest *c, enum flow_rc (*step)(struct flow *, void *))
{
	if (oci_is_gone(c))
		return FLOW_FAIL;
	return c->move && c->move->fails ? step(f, c) : FLOW_NEXT;
}

static enum flow_rc
release_start(struct flow *f, void *arg)
{
	return if_failed(f, arg, oci_release_step);
}

static enum flow_rc
rewire_start(struct flow *f, void *arg)
{
	return if_failed(f, arg, oci_rewire_step);
}

static enum flow_rc
unfreeze_start(struct flow *f, void *arg)
{
	return if_failed(f, arg, oci_unfreeze_step);
}

static enum flow_rc
back_start(struct flow *f, void *arg)
{
	return if_failed(f, arg, oci_load_step);
}

static enum flow_rc
pause_start(struct flow *f, void *arg)
{
	return if_failed(f, arg, oci_load_pause_step);
}

static enum flow_rc
wires_start(struct flow *f, void *arg)
{
	return if_failed(f, arg, oci_load_wires_step);
}

static enum flow_rc
stay_start(struct flow *f, void *arg)
{
	return if_failed(f, arg, oci_stay_step);
}

#define BACK_STEPS                                                                 \
	{ "release", release_start, oci_release_finish, NULL, OCI_WORK_MS },       \
	    { "rewire", rewire_start, oci_rewire_finish, NULL, OCI_RUNTIME_MS },   \
	    { "unfreeze", unfreeze_start, NULL, NULL, 0 },                         \
	    { "load", back_start, oci_load_finish, NULL, OCI_SAVE_MS },            \
	    { "pause", pause_start, oci_load_pause_finish, NULL, OCI_RUNTIME_MS }, \
	    { "wires", wires_start, oci_load_wires_finish, NULL, OCI_RUNTIME_MS }, \
	    { "stay", stay_start, oci_stay_finish, NULL, OCI_SAVE_MS },            \
	{                                                                          \
		NULL, NULL, NULL, NULL, 0                                          \
	}

static const struct flow_step suspend_steps[] = {
	{ "flush", oci_save_flush_step, oci_save_flush_finish, oci_move_undo,
	    FLUSH_MS },
	{ "shut", oci_save_shut_step, NULL, NULL, 0 },
	{ "freeze", oci_freeze_step, oci_freeze_finish, NULL, 1 },
	{ "unwire", oci_unwire_step, oci_unwire_finish, NULL, OCI_RUNTIME_MS },
	{ "dump", oci_save_dump_step, oci_save_dump_finish, NULL, OCI_SAVE_MS },
	{ "ended", oci_save_ended_step, oci_save_ended_finish, NULL, OCI_ENDED_MS },
	{ "pack", pack_start, oci_move_begun_finish, NULL, OCI_LOOK_MS },
	{ "packed", oci_move_carry_wait, oci_move_carry_finish, NULL, OCI_LOOK_MS },
	{ "seal", seal_start, oci_move_begun_finish, NULL, OCI_LOOK_MS },
	{ "sealed", oci_move_carry_wait, oci_move_carry_finish, NULL, OCI_LOOK_MS },
	{ "away", away_start, away_finish, NULL, OCI_RUNTIME_MS },
	{ "suspended", suspended_start, NULL, NULL, 0 },
	BACK_STEPS,
};

int
oci_op_suspend(struct engine_guest *g, int memory_fd, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	int rc = oci_dump_refuse(c, e);

	if (!rc)
		rc = begin(c, 1, memory_fd, e);
	if (rc) {
		oci_move_drop(c);
		return err_wrap(e, "%s", c->who);
	}
	c->shows_end = true;
	engine_set_state(g, ENGINE_SUSPENDING, "");
	oci_run_flow(c, "oci suspend", suspend_steps);
	return 0;
}

/* ---- to another host ---- */

static enum flow_rc
files_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	struct oci_move *m = c->move;

	if (oci_is_gone(c) || !m)
		return FLOW_FAIL;
	if (m->n_lanes == 1 || m->fails)
		return FLOW_NEXT;
	c->g.progress.phase = "copying disks";
	oci_carry_begin(m->carry, 1, OCI_LOAD_FIRST, 0);
	return oci_move_carry_step(f, c);
}

/* It goes on where the loop has turned: only the wait begins again. */
static enum flow_rc
files_wait(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	return c->move->n_lanes == 1 || c->move->fails ? FLOW_NEXT
						       : oci_move_carry_step(f, c);
}

/* What it has written while its files went. */
static enum flow_rc
flush_again(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	return c->move->n_lanes == 1 ? FLOW_NEXT : oci_save_flush_step(f, c);
}

static enum flow_rc
freeze_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	fault_point("oci.move_out.freeze");
	c->g.progress.phase = "switching over";
	return oci_save_shut_step(f, c);
}

/* The memory goes as it is saved: the container stands still for both at once. */
static enum flow_rc
follow_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	struct oci_move *m = c->move;

	if (oci_is_gone(c) || !m)
		return FLOW_FAIL;
	if (m->fails)
		return FLOW_NEXT;
	m->before_bytes = oci_carry_bytes(m->carry);
	oci_carry_begin(m->carry, 0, OCI_LOAD_FOLLOW, 0);
	return FLOW_NEXT;
}

static enum flow_rc
send_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	struct oci_move *m = c->move;
	AUTO_FREE char *images = oci_move_path(c, "images");
	AUTO_CLOSE int dir = -1;
	uint64_t bytes = 0;

	fault_point("oci.move_out.saved");
	if (oci_is_gone(c) || !m)
		return FLOW_FAIL;
	if (m->is_cancelled)
		return oci_move_fail(f, c);
	if (m->fails)
		return FLOW_NEXT;
	dir = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && !oci_pack_size(dir, &bytes, NULL))
		c->g.progress.total_bytes = m->before_bytes + bytes;
	/* Another host must see on a shared datastore what was written here. */
	if (fdatasync(c->ground.fds[0]))
		log_warn("engine", "%s: cannot write its image to its disk", c->who);
	oci_carry_whole(m->carry, 0);
	if (m->n_lanes > 1)
		oci_carry_begin(m->carry, 1, OCI_LOAD_SECOND, 0);
	return oci_move_carry_step(f, c);
}

/* The note comes before the byte that lets the target run it. */
static enum flow_rc
give_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->is_cancelled)
		return oci_move_fail(f, c);
	if (c->move->fails)
		return FLOW_NEXT;
	c->run.phase = OCI_GIVEN;
	c->run.paused = c->move->was_paused;
	if (oci_run_save(c, flow_err(f)))
		return oci_move_fail(f, c);
	c->move->is_late = true;
	c->move->give_up_ms = 0;
	fault_point("oci.move_out.given");
	oci_carry_begin(c->move->carry, 0, OCI_LOAD_SEAL, 0);
	return oci_move_carry_step(f, c);
}

static enum flow_rc
given_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	enum flow_rc next = oci_move_carry_finish(f, c, rc);

	/* A byte that could not be written is in nobody's hands. */
	if (c->move && c->move->fails)
		c->run.phase = OCI_LEAVING;
	return next;
}

static void
tell_times(struct oci_guest *c)
{
	const struct oci_move *m = c->move;
	struct engine_progress *p = &c->g.progress;
	uint64_t now = loop_now_ms(c->g.engine->loop);

	p->phase = "";
	p->done_bytes = p->total_bytes = oci_carry_bytes(m->carry);
	p->total_ms = now > m->began_ms ? now - m->began_ms : 1;
	p->setup_ms = m->shut_ms - m->began_ms;
	p->downtime_ms = now - m->shut_ms;
	snprintf(p->note, sizeof(p->note), "saved %u ms, ended %u ms, sent %u ms",
	    (unsigned)(m->saved_ms - m->shut_ms), (unsigned)(m->ended_ms - m->saved_ms),
	    (unsigned)(now - m->ended_ms));
}

static enum flow_rc
left_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	c->g.progress.phase = "";
	if (c->move->fails) {
		err_wrap(&c->move->why, "%s stays", c->who);
		return FLOW_NEXT;
	}
	tell_times(c);
	log_info("engine", "%s: given away: %s", c->who, c->g.progress.note);
	engine_set_state(&c->g, ENGINE_GIVEN, "");
	oci_move_drop(c);
	return FLOW_NEXT;
}

static const struct flow_step leave_steps[] = {
	{ "flush", oci_save_flush_step, oci_save_flush_finish, oci_move_undo,
	    FLUSH_MS },
	{ "files", files_start, oci_move_begun_finish, NULL, OCI_LOOK_MS },
	{ "files come", files_wait, oci_move_carry_finish, NULL, OCI_LOOK_MS },
	{ "flush again", flush_again, oci_save_flush_finish, NULL, FLUSH_MS },
	{ "shut", freeze_start, NULL, NULL, 0 },
	{ "freeze", oci_freeze_step, oci_freeze_finish, NULL, 1 },
	{ "unwire", oci_unwire_step, oci_unwire_finish, NULL, OCI_RUNTIME_MS },
	{ "follow", follow_start, NULL, NULL, 0 },
	{ "dump", oci_save_dump_step, oci_save_dump_finish, NULL, OCI_SAVE_MS },
	{ "ended", oci_save_ended_step, oci_save_ended_finish, NULL, OCI_ENDED_MS },
	{ "send", send_start, oci_move_begun_finish, NULL, OCI_LOOK_MS },
	{ "sent", oci_move_carry_wait, oci_move_carry_finish, NULL, OCI_LOOK_MS },
	{ "give", give_start, oci_move_begun_finish, NULL, OCI_LOOK_MS },
	{ "given", oci_move_carry_wait, given_finish, NULL, OCI_LOOK_MS },
	{ "left", left_start, NULL, NULL, 0 },
	BACK_STEPS,
};

static int
take_disk(struct oci_guest *c, const struct engine_departure *d, struct err *e)
{
	int rc;

	if (!d->n_disks)
		return 0;
	rc = oci_ground_open(c, e);
	if (!rc)
		rc = oci_carry_lane(
		    c->move->carry, 1, d->disks[0].fd, c->ground.fds[0], e);
	return rc;
}

int
oci_op_move_out(struct engine_guest *g, const struct engine_departure *d, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	int rc;

	if (d->n_disks > 1)
		return err_set(e, ERR_UNSUPPORTED, "a container has one disk");
	rc = begin(c, 1 + (unsigned)d->n_disks, d->memory_fd, e);
	if (!rc)
		rc = take_disk(c, d, e);
	if (rc) {
		oci_move_drop(c);
		return rc;
	}
	c->move->give_up_ms = d->give_up_ms;
	c->shows_end = true;
	engine_set_state(g, ENGINE_LEAVING, "");
	oci_run_flow(c, "oci move out", leave_steps);
	return 0;
}

void
oci_op_move_cancel(struct engine_guest *g)
{
	struct oci_move *m = oci_guest_of(g)->move;

	if (!m || m->is_late || m->fails)
		return;
	m->is_cancelled = true;
	oci_carry_stop(m->carry);
}
