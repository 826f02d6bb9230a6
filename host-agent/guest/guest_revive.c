/*
 * The tables of what fencing orders (guest_copy.h): the end of a guest that may not run
 * here any longer, and the start of one that has died.
 */
#include "base/log.h"
#include "host-agent/engine/engine.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_resource.h"

#define RECORD_MS  20000u
#define DISK_MS    60000u
#define BOOT_MS    180000u
#define QUICK_MS   60000u
#define ISOLATE_MS 300000u /* then whoever ordered the shutdown has it killed */

/* ---- the end ---- */

static enum flow_rc
fenced_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_state(j->g, GUEST_FAILED, j->why);
	guest_emit(j->g, "died", j->why);
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_fence_steps[] = {
	{ "kill", guest_step_kill, NULL, NULL, QUICK_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "fenced", fenced_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

static enum flow_rc
isolate_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->mode = DROVER__STOP_MODE__STOP_GRACEFUL;
	j->timeout_ms = ISOLATE_MS;
	return guest_step_stop(f, arg);
}

const struct flow_step guest_isolate_steps[] = {
	{ "stop", isolate_start, NULL, NULL, QUICK_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "fenced", fenced_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

/* ---- and another beginning ---- */

static enum flow_rc
reviving_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct engine_guest *h;

	if (guest_handle(j->g, &h, flow_err(f)))
		return FLOW_FAIL;
	guest_set_state(j->g, GUEST_STARTING, "it died");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
revived_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	guest_emit(j->g, "restarted", "it had died");
	return FLOW_NEXT;
}

const struct flow_step guest_revive_steps[] = {
	{ "reviving", reviving_start, NULL, NULL, RECORD_MS },
	{ "disks", guest_step_open, NULL, guest_undo_open, DISK_MS },
	{ "group", guest_step_group, NULL, guest_step_clear, 0 },
	{ "wires", guest_step_wires, NULL, guest_step_clear, 0 },
	{ "boot", guest_step_boot, NULL, guest_undo_boot, BOOT_MS },
	{ "started", guest_step_started, guest_finish_any, NULL, RECORD_MS },
	{ "disk-limits", guest_step_disk_limits, guest_finish_any, NULL, DISK_MS },
	{ "revived", revived_start, NULL, NULL, 0 },
	{ NULL },
};
