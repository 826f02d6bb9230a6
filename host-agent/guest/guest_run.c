/*
 * The tables that start, stop, pause and suspend a guest, and that find it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/guest/guest_claim.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_pools.h"
#include "host-agent/guest/guest_resource.h"
#include "host-agent/guest/guest_snapshot.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/resource/cg.h"
#include "host-agent/storage/seed.h"

#define RECORD_MS  20000u
#define DISK_MS    60000u
#define BOOT_MS    180000u
#define QUICK_MS   60000u
#define SUSPEND_MS 1800000u
/* How much longer than the guest the engine may take to end an ordered stop. */
#define STOP_SPARE_MS 15000u

enum flow_rc
guest_finish_any(struct flow *f, void *arg, int rc)
{
	return FLOW_NEXT;
}

enum flow_rc
guest_step_record(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_step_clear(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!guest_is_live(j->g))
		guest_clear_host(j->g);
	return FLOW_NEXT;
}

/* ---- memory image of a suspended guest ---- */

static int
run_drop_memory(struct guest_work *k)
{
	return memory_delete(k->stores[0], k->guest, &k->e);
}

enum flow_rc
guest_step_drop_memory(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (guest_spec_invented(j->g->spec) || !j->g->spec->n_disks)
		return FLOW_NEXT;
	return guest_step_call(f, j, run_drop_memory, NULL);
}

/* ---- start ---- */

/*
 * From here on the generation counts as met, whatever becomes of the start.  Until the
 * boot begins a memory image is all there is of the guest: its record says so.
 */
static enum flow_rc
claim_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	j->resumes = j->from == GUEST_SUSPENDED;
	g->generation = j->generation;
	g->started_ms = j->resumes ? 0 : clock_wall_ms(loop_clock(g->gs->env.loop));
	g->restart = (struct order_name){ 0 };
	g->tentative = false;
	if (j->spec)
		guest_set_spec(g, j->spec);
	guest_set_state(g, GUEST_STARTING, "");
	guest_save_as(g, j->resumes ? GUEST_SUSPENDED : GUEST_STARTING, WAKE_NONE);
	return FLOW_NEXT;
}

/* The disk was given its time while the guest was made ready. */
static enum flow_rc
claimed_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_await_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
claim_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->is_new || guest_is_live(j->g))
		return FLOW_NEXT;
	guest_unsave(j->g, flow_wake(f));
	return FLOW_WAIT;
}

/* A guest whose record was lost may run all the same: never start it beside itself. */
static enum flow_rc
look_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	bool known = j->g->handle && j->from != GUEST_UNKNOWN;
	struct engine_guest *h;

	if (guest_handle(j->g, &h, flow_err(f)))
		return FLOW_FAIL;
	if (known)
		return FLOW_NEXT;
	engine_adopt(h, j->g->spec, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
look_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc == ERR_NOT_FOUND)
		return FLOW_NEXT;
	if (rc)
		return FLOW_FAIL;
	j->found = true;
	return FLOW_NEXT;
}

static int
run_open(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (disk_open(k->stores[i], k->spec->disks[i], &k->disks[i], &k->e))
			return err_wrap(&k->e, "disk %s of vm %s",
			    k->spec->disks[i]->name, k->spec->name);
	}
	if (!k->wants_memory)
		return 0;
	if (memory_open(k->stores[0], k->guest, &k->memory_fd, &k->e))
		return err_wrap(&k->e, "memory of vm %s", k->spec->name);
	return 0;
}

static void
opened(struct guest *g, struct guest_work *k)
{
	struct guest_job *j = g->job;

	j->disks = MOVE(k->disks);
	j->n_disks = k->spec->n_disks;
	j->memory_fd = MOVE_FD(k->memory_fd);
}

enum flow_rc
guest_step_open(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (j->found || guest_spec_invented(j->g->spec))
		return FLOW_NEXT;
	if (guest_work_new(j->g, j->g->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->wants_memory = j->resumes && j->g->spec->n_disks > 0;
	k->run = run_open;
	k->ended = opened;
	return guest_step_work(f, j, k);
}

enum flow_rc
guest_undo_open(struct flow *f, void *arg)
{
	guest_job_close_fds(arg);
	return FLOW_NEXT;
}

enum flow_rc
guest_step_group(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->found)
		return FLOW_NEXT;
	guest_resources_begin(j->g);
	guest_pools_apply(j->g->gs);
	if (guest_group_set(j->g, j->g->spec, flow_err(f)))
		return FLOW_FAIL;
	guest_group_stir(j->g);
	return FLOW_NEXT;
}

static enum flow_rc
leave_image_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	return j->resumes ? guest_step_record(f, arg) : FLOW_NEXT;
}

enum flow_rc
guest_step_boot(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	struct cg *cg = guest_spec_invented(g->spec) ? NULL : g->gs->env.cg;
	AUTO_CLOSE int seed_fd = -1;
	struct engine_boot b = {
		.spec = g->spec,
		.disks = j->disks,
		.tap_fds = j->taps,
		.join_cgroups = cg ? cg_guest_join(cg, g->number) : NULL,
		.memory_fd = j->memory_fd,
		.cgroup = cg ? cg_guest_path(cg, g->number) : NULL,
	};

	if (j->found)
		return FLOW_NEXT;
	if (guest_guard_until(g, &b.guard_until_us, flow_err(f)))
		return FLOW_FAIL;
	if (seed_open(g->spec->seed, &seed_fd, flow_err(f))) {
		err_wrap(flow_err(f), "vm %s", g->spec->name);
		return FLOW_FAIL;
	}
	b.seed_fd = seed_fd;
	engine_start(g->handle, &b, flow_wake(f));
	/* The guest has copies by now, or nothing. */
	guest_job_close_fds(j);
	return FLOW_WAIT;
}

enum flow_rc
guest_undo_boot(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->found || !guest_is_live(j->g))
		return FLOW_NEXT;
	engine_kill(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_step_started(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	j->booted = true;
	g->restart = (struct order_name){ 0 };
	if (!guest_is_live(g)) {
		err_set(flow_err(f), ERR_LOST, "vm %s ended right after its start: %s",
		    g->spec->name, engine_guest_reason(g->handle));
		return FLOW_FAIL;
	}
	guest_claim_ran(g);
	g->usage = (struct guest_usage){ 0 };
	g->stalls = 0;
	guest_pools_gather(g);
	guest_follow_engine(g, GUEST_STOPPED);
	if (j->verb == GV_START && !j->resumes) {
		/* The claim says all that adoption wants to know: the answer need not
		 * wait for the disk, which the guest keeps busy now. */
		j->saves_last = true;
		return FLOW_NEXT;
	}
	g->started_ms = clock_wall_ms(loop_clock(g->gs->env.loop));
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

/* A suspended guest that runs again must never go back to that memory. */
static enum flow_rc
forget_memory_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	return j->resumes ? guest_step_drop_memory(f, arg) : FLOW_NEXT;
}

static enum flow_rc
forget_memory_finish(struct flow *f, void *arg, int rc)
{
	const struct guest_job *j = arg;

	if (rc)
		log_warn("guest", "vm %s: its old memory image stays: %s",
		    j->g->spec->name, flow_err(f)->msg);
	return FLOW_NEXT;
}

/* The record, durable before it boots, is enough for adoption to find what follows. */
const struct flow_step guest_start_steps[] = {
	{ "claim", claim_start, NULL, claim_undo, RECORD_MS },
	{ "look", look_start, look_finish, NULL, QUICK_MS },
	{ "group", guest_step_group, NULL, guest_step_clear, 0 },
	{ "settle", guest_step_settle, guest_finish_settled, NULL, DISK_MS },
	{ "find", guest_step_find_disks, NULL, NULL, DISK_MS },
	{ "make", guest_step_make_disks, guest_finish_make_disks, guest_undo_make_disks,
	    DISK_MS },
	{ "disks", guest_step_open, NULL, guest_undo_open, DISK_MS },
	{ "wires", guest_step_wires, NULL, guest_step_clear, 0 },
	{ "claimed", claimed_start, NULL, NULL, RECORD_MS },
	{ "claim-register", guest_step_claim, guest_finish_claim, guest_undo_claim, 0 },
	{ "leave-image", leave_image_start, NULL, NULL, RECORD_MS },
	{ "boot", guest_step_boot, NULL, guest_undo_boot, BOOT_MS },
	{ "started", guest_step_started, guest_finish_any, NULL, RECORD_MS },
	{ "disk-limits", guest_step_disk_limits, guest_finish_any, NULL, DISK_MS },
	{ "forget-memory", forget_memory_start, forget_memory_finish, NULL, DISK_MS },
	{ NULL },
};

/* ---- stop ---- */

static enum flow_rc
stopping_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (guest_is_live(j->g))
		guest_set_state(j->g, GUEST_STOPPING, "");
	return FLOW_NEXT;
}

static enum flow_rc
discard_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	return j->from == GUEST_SUSPENDED ? guest_step_drop_memory(f, arg) : FLOW_NEXT;
}

enum flow_rc
guest_step_stop(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	if (j->mode == DROVER__STOP_MODE__STOP_KILL) {
		engine_kill(j->g->handle, flow_wake(f));
	} else {
		engine_stop(j->g->handle, j->timeout_ms, flow_wake(f));
		flow_set_timeout(f, j->timeout_ms + STOP_SPARE_MS);
	}
	return FLOW_WAIT;
}

static enum flow_rc
stop_finish(struct flow *f, void *arg, int rc)
{
	const struct guest_job *j = arg;

	if (rc && rc != ERR_CANCELLED &&
	    j->mode == DROVER__STOP_MODE__STOP_GRACEFUL_THEN_KILL)
		return FLOW_NEXT;
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

enum flow_rc
guest_step_kill(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	engine_kill(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
stopped_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_state(j->g, GUEST_STOPPED, "ordered");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_stop_steps[] = {
	{ "stopping", stopping_start, NULL, NULL, 0 },
	{ "discard", discard_start, NULL, NULL, DISK_MS },
	{ "stop", guest_step_stop, stop_finish, NULL, QUICK_MS },
	{ "kill", guest_step_kill, NULL, NULL, QUICK_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "unclaim", guest_step_unclaim, guest_finish_any, NULL, CLAIM_DROP_MS },
	{ "stopped", stopped_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

/* ---- reset ---- */

static enum flow_rc
reset_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	engine_reset(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
follow_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_follow_engine(j->g, GUEST_STOPPED);
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_reset_steps[] = {
	{ "reset", reset_start, NULL, NULL, QUICK_MS },
	{ "follow", follow_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

/* What could not start again is not ended. */
static enum flow_rc
able_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct engine_guest *h;

	if (guest_handle(j->g, &h, flow_err(f)))
		return FLOW_FAIL;
	engine_check(h, flow_wake(f));
	return FLOW_WAIT;
}

/*
 * Shut down and booted again as the same generation: ACPI knows no restart.  Nor does
 * a container, not even a hard one: its wires go with it.
 */
static enum flow_rc
restarting_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct engine_guest *h;

	if (guest_handle(j->g, &h, flow_err(f)))
		return FLOW_FAIL;
	j->g->restart = j->name;
	guest_set_state(j->g, GUEST_STARTING, "it is to restart");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_restart_steps[] = {
	{ "able", able_start, NULL, NULL, QUICK_MS },
	{ "restarting", restarting_start, NULL, NULL, RECORD_MS },
	{ "stop", guest_step_stop, NULL, NULL, QUICK_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "disks", guest_step_open, NULL, guest_undo_open, DISK_MS },
	{ "group", guest_step_group, NULL, guest_step_clear, 0 },
	{ "wires", guest_step_wires, NULL, guest_step_clear, 0 },
	{ "boot", guest_step_boot, NULL, NULL, BOOT_MS },
	{ "started", guest_step_started, guest_finish_any, NULL, RECORD_MS },
	{ "disk-limits", guest_step_disk_limits, guest_finish_any, NULL, DISK_MS },
	{ NULL },
};

/* ---- pause, resume ---- */

static enum flow_rc
pause_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	engine_pause(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_pause_steps[] = {
	{ "pause", pause_start, NULL, NULL, QUICK_MS },
	{ "follow", follow_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

static enum flow_rc
resume_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	engine_resume(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_resume_steps[] = {
	{ "resume", resume_start, NULL, NULL, QUICK_MS },
	{ "follow", follow_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

static enum flow_rc
unstalled_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_follow_engine(j->g, GUEST_STOPPED);
	if (j->g->state == GUEST_RUNNING)
		guest_emit(j->g, "resumed", "its datastore has room again");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_unstall_steps[] = {
	{ "resume", resume_start, NULL, NULL, QUICK_MS },
	{ "unstalled", unstalled_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

/* ---- suspend ---- */

static enum flow_rc
suspending_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->g->spec->n_disks && !guest_spec_invented(j->g->spec)) {
		err_set(flow_err(f), ERR_UNSUPPORTED,
		    "vm %s has no disk, so there is no place for its memory",
		    j->g->spec->name);
		return FLOW_FAIL;
	}
	guest_set_state(j->g, GUEST_SUSPENDING, "");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static int
run_make_memory(struct guest_work *k)
{
	return memory_create(k->stores[0], k->guest, &k->memory_fd, &k->e);
}

static void
memory_made(struct guest *g, struct guest_work *k)
{
	g->job->memory_fd = MOVE_FD(k->memory_fd);
}

static enum flow_rc
image_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (guest_spec_invented(j->g->spec)) {
		/* Nothing is in it that would have to be kept. */
		j->memory_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		return FLOW_NEXT;
	}
	return guest_step_call(f, j, run_make_memory, memory_made);
}

static enum flow_rc
image_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	/* Once the guest is down the image may be all that is left of it. */
	return guest_is_live(j->g) ? guest_step_drop_memory(f, arg) : FLOW_NEXT;
}

static enum flow_rc
suspend_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	engine_suspend(j->g->handle, j->memory_fd, flow_wake(f));
	return FLOW_WAIT;
}

static int
run_sync(struct guest_work *k)
{
	if (fsync(k->memory_fd))
		return err_sys(
		    &k->e, ERR_IO, errno, "syncing the memory of vm %s", k->spec->name);
	return 0;
}

static void
memory_synced(struct guest *g, struct guest_work *k)
{
	g->job->image_synced = k->e.code == 0;
}

static enum flow_rc
sync_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (guest_spec_invented(j->g->spec)) {
		j->image_synced = true;
		return FLOW_NEXT;
	}
	if (guest_work_new(j->g, j->g->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->memory_fd = MOVE_FD(j->memory_fd);
	k->run = run_sync;
	k->ended = memory_synced;
	return guest_step_work(f, j, k);
}

static enum flow_rc
suspended_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_state(j->g, GUEST_SUSPENDED, "");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_suspend_steps[] = {
	{ "suspending", suspending_start, NULL, NULL, RECORD_MS },
	{ "image", image_start, NULL, image_undo, DISK_MS },
	{ "suspend", suspend_start, NULL, NULL, SUSPEND_MS },
	{ "sync", sync_start, NULL, NULL, SUSPEND_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "unclaim", guest_step_unclaim, guest_finish_any, NULL, CLAIM_DROP_MS },
	{ "suspended", suspended_start, NULL, NULL, RECORD_MS },
	{ NULL },
};

/* ---- after a restart of the agent ---- */

static enum flow_rc
adopt_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct engine_guest *h;

	if (guest_handle(j->g, &h, flow_err(f)))
		return FLOW_FAIL;
	engine_adopt(h, j->g->spec, flow_wake(f));
	return FLOW_WAIT;
}

static void
adopted(struct guest *g, const char *reason)
{
	/* It outlived us: it may have been on its way up, but it is up. */
	if (!g->started_ms)
		g->started_ms = clock_wall_ms(loop_clock(g->gs->env.loop));
	guest_wires_guard(g);
	guest_follow_engine(g, GUEST_STOPPED);
	guest_emit(g, "adopted", reason);
}

static void
not_there(struct guest *g)
{
	const char *reason = engine_guest_reason(g->handle);
	bool by_itself = engine_guest_end(g->handle) == ENGINE_END_GUEST;
	const char *text = *reason ? reason : "it ended while the agent was away";

	guest_clear_host(g);
	guest_forget_claim(g);
	if (g->state == GUEST_STARTING) {
		guest_set_state(g, GUEST_STOPPED, "its start was interrupted");
		guest_emit(g, "lost", "the agent ended while it was starting");
	} else if (g->state == GUEST_STOPPING || by_itself) {
		guest_set_state(g, GUEST_STOPPED, text);
		guest_emit(g, "shutdown", text);
	} else {
		guest_set_state(g, GUEST_FAILED, text);
		guest_emit(g, "died", text);
	}
}

static enum flow_rc
adopt_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	if (rc == 0 || (rc == ERR_TIMEOUT && guest_is_live(g)))
		adopted(g, rc ? flow_err(f)->msg : "");
	else if (rc == ERR_NOT_FOUND)
		not_there(g);
	else
		return FLOW_FAIL;
	return FLOW_NEXT;
}

/* Nobody knows: a guess could have it started twice. */
static enum flow_rc
adopt_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_forget_claim(j->g);
	guest_set_state(j->g, GUEST_UNKNOWN, "the engine cannot tell");
	return FLOW_NEXT;
}

const struct flow_step guest_adopt_steps[] = {
	{ "adopt", adopt_start, adopt_finish, adopt_undo, QUICK_MS },
	{ "settle", guest_step_settle, guest_finish_settle, NULL, DISK_MS },
	{ "record", guest_step_record, guest_finish_any, NULL, RECORD_MS },
	{ "disk-limits", guest_step_disk_limits, guest_finish_any, NULL, DISK_MS },
	{ "drop-old", guest_step_drop_spare, guest_finish_delete_images, NULL,
	    DISK_MS },
	{ "forget", guest_step_forget_disks, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

static enum flow_rc
query_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	engine_query(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
query_finish(struct flow *f, void *arg, int rc)
{
	struct guest *g = ((struct guest_job *)arg)->g;

	if (!rc) {
		const struct engine_stat *st = engine_guest_stat(g->handle);

		g->usage.cpu_used_us = st->cpu_used_us;
		g->usage.memory_bytes = st->memory_used_bytes;
	}
	return FLOW_NEXT;
}

const struct flow_step guest_query_steps[] = {
	{ "query", query_start, query_finish, NULL, QUICK_MS },
	{ NULL },
};
