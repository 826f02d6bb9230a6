/* A container's processes become files. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_move_int.h"

static enum oci_phase
phase_of(const struct oci_guest *c)
{
	return c->g.verb == ENGINE_SUSPEND ? OCI_SAVING : OCI_LEAVING;
}

static int
prepare(struct oci_guest *c, struct err *e)
{
	int rc = c->ground.n ? 0 : oci_ground_open(c, e);

	if (rc)
		return rc;
	c->run.phase = phase_of(c);
	return oci_run_save(c, e);
}

enum flow_rc
oci_save_flush_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	char pid[16];
	const char *const args[] = { "flush", "--pid", pid, NULL };

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails || c->ended)
		return FLOW_NEXT;
	snprintf(pid, sizeof(pid), "%d", (int)c->run.pid);
	if (!oci_stage_for(c, args, OCI_SAVE_MS, flow_wake(f), flow_err(f)))
		return FLOW_WAIT;
	log_info("engine", "%s: %s", c->who, flow_err(f)->msg);
	err_clear(flow_err(f));
	return FLOW_NEXT;
}

enum flow_rc
oci_save_flush_finish(struct flow *f, void *arg, int rc)
{
	return oci_move_may_fail(f, arg, rc) ? FLOW_NEXT : FLOW_FAIL;
}

enum flow_rc
oci_save_shut_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails)
		return FLOW_NEXT;
	if (prepare(c, flow_err(f)))
		return oci_move_fail(f, c);
	c->move->shut_ms = loop_now_ms(c->g.engine->loop);
	oci_gates(c, false);
	return FLOW_NEXT;
}

enum flow_rc
oci_save_dump_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	AUTO_FREE char *images = oci_move_path(c, "images");
	AUTO_FREE char *work = oci_move_path(c, "work");
	const char *const args[] = { "--criu", c->oci->criu, "checkpoint",
		"--image-path", images, "--work-path", work, "--tcp-established",
		"--file-locks", "--empty-ns", "network", c->who, NULL };

	fault_point("oci.save.dump");
	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->is_cancelled)
		return oci_move_fail(f, c);
	if (c->move->fails)
		return FLOW_NEXT;
	if (oci_command(c, args, oci_move_patience_ms(c), flow_wake(f), flow_err(f)))
		return oci_move_fail(f, c);
	oci_move_criu_begin(c);
	return FLOW_WAIT;
}

enum flow_rc
oci_save_dump_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	c->move->saved_ms = loop_now_ms(c->g.engine->loop);
	/* Its processes are ended when everything was written. */
	c->move->saved = oci_move_has_images(c) && (!rc || c->ended);
	oci_move_criu_end(c, "dump.log", flow_err(f));
	if (!rc)
		return FLOW_NEXT;
	err_wrap(flow_err(f), "its processes cannot be saved");
	return oci_move_fail(f, c);
}

enum flow_rc
oci_save_ended_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!c->move->saved)
		return FLOW_NEXT;
	if (c->ended && oci_move_image_is_free(c)) {
		/* Whoever uses it from now on is somebody else. */
		c->run.n_loops = 0;
		*c->run.image = '\0';
		c->move->ended_ms = loop_now_ms(c->g.engine->loop);
		return FLOW_NEXT;
	}
	if (loop_now_ms(c->g.engine->loop) - c->move->saved_ms > OCI_RUNTIME_MS) {
		err_set(flow_err(f), ERR_TIMEOUT, "its image is still in use: %s",
		    c->run.image);
		return oci_move_fail(f, c);
	}
	flow_set_timeout(f, OCI_ENDED_MS);
	c->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

enum flow_rc
oci_save_ended_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move || rc == ERR_CANCELLED)
		return FLOW_FAIL;
	return FLOW_AGAIN;
}
