/*
 * The tables that take a snapshot of a guest and bring it back to one.
 */
#include "host-agent/guest/guest_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_snapshot.h"
#include "host-agent/guest/guest_chain.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/storage/layer.h"
#include "host-agent/stores/stores.h"

#define RECORD_MS 20000u
#define DISK_MS   120000u
#define FREEZE_MS 1800000u
#define COPY_MS   600000u

/* ---- what all that changes chains has in common ---- */

enum flow_rc
guest_step_next(struct flow *f, struct guest *g, Drover__GuestSpec *next)
{
	guest_spec_free(g->next);
	g->next = next;
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_step_chain(struct flow *f, struct guest *g, const Drover__GuestSpec *spec)
{
	guest_set_spec(g, spec);
	return guest_step_next(f, g, NULL);
}

static bool
has_images(const struct guest_job *j)
{
	return !guest_spec_invented(j->spec) && j->spec->n_disks > 0;
}

enum flow_rc
guest_step_tops(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guests_env *env = &j->g->gs->env;
	struct disk_place at = { env->loop, env->blockers, env->disk, NULL };

	if (j->found || guest_spec_invented(j->spec) || j->i >= j->spec->n_disks)
		return FLOW_NEXT;
	if (stores_get(
		env->stores, j->spec->disks[j->i]->datastore, &at.ds, flow_err(f)))
		return FLOW_FAIL;
	disk_create(&at, j->spec->disks[j->i], flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_finish_tops(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc) {
		err_wrap(flow_err(f), "disk %s of vm %s", j->spec->disks[j->i]->name,
		    j->spec->name);
		return FLOW_FAIL;
	}
	j->i++;
	return FLOW_AGAIN;
}

static int
run_remove_tops(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (layer_remove(k->stores[i], k->spec->disks[i]->path, &k->e))
			return k->e.code;
	}
	return 0;
}

/* What stands on the guest's images, but not the images that it has. */
enum flow_rc
guest_undo_tops(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (j->found || !has_images(j) || chain_same(j->g->spec, j->spec) ||
	    (j->g->next && chain_same(j->g->next, j->spec)))
		return FLOW_NEXT;
	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_NEXT;
	k->run = run_remove_tops;
	return guest_step_work(f, j, k);
}

/* ---- take ---- */

static int
run_check(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		struct engine_disk d = { .fd = -1 };

		if (disk_open(k->stores[i], k->spec->disks[i], &d, &k->e))
			return err_wrap(&k->e, "disk %s of vm %s",
			    k->spec->disks[i]->name, k->spec->name);
		disk_close(&d);
	}
	return 0;
}

static enum flow_rc
check_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->found = chain_same(j->g->spec, j->spec);
	if (j->found || !has_images(j))
		return FLOW_NEXT;
	return guest_step_call(f, j, run_check, NULL);
}

static bool
freezes(const struct guest_job *j)
{
	return !j->found && guest_is_live(j->g);
}

static bool
keeps_memory(const struct guest_job *j)
{
	return freezes(j) && j->order->snapshot_take->memory;
}

static int
run_open(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (disk_open(k->stores[i], k->spec->disks[i], &k->disks[i], &k->e))
			return err_wrap(&k->e, "disk %s of vm %s",
			    k->spec->disks[i]->name, k->spec->name);
	}
	if (k->wants_memory)
		return snapshot_memory_create(
		    k->stores[0], k->guest, k->number, &k->memory_fd, &k->e);
	return 0;
}

static void
opened(struct guest *g, struct guest_work *k)
{
	g->job->disks = MOVE(k->disks);
	g->job->n_disks = k->spec->n_disks;
	g->job->memory_fd = MOVE_FD(k->memory_fd);
}

static enum flow_rc
open_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (!freezes(j))
		return FLOW_NEXT;
	if (!has_images(j)) {
		if (keeps_memory(j))
			j->memory_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		return FLOW_NEXT;
	}
	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->number = j->order->snapshot_take->snapshot;
	k->wants_memory = keeps_memory(j);
	k->run = run_open;
	k->ended = opened;
	return guest_step_work(f, j, k);
}

static int
run_remove_memory(struct guest_work *k)
{
	return snapshot_memory_delete(k->stores[0], k->guest, k->number, &k->e);
}

static enum flow_rc
remove_memory(struct flow *f, struct guest_job *j, uint64_t snapshot)
{
	struct guest_work *k;

	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_NEXT;
	k->number = snapshot;
	k->run = run_remove_memory;
	return guest_step_work(f, j, k);
}

static enum flow_rc
open_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_job_close_fds(j);
	if (!j->order->snapshot_take->memory || !has_images(j) || j->found)
		return FLOW_NEXT;
	return remove_memory(f, j, j->order->snapshot_take->snapshot);
}

static enum flow_rc
intent_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!freezes(j))
		return FLOW_NEXT;
	return guest_step_next(f, j->g, guest_spec_dup(j->spec));
}

/* The engine knows whether the disks were frozen before it failed. */
static enum flow_rc
intent_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	if (!g->next)
		return FLOW_NEXT;
	if (g->handle && engine_frozen(g->handle)->disks && j->frozen)
		return guest_step_chain(f, g, j->spec);
	/* Gone in between: adoption's rule holds, for its last writes may be in it. */
	if (!guest_is_live(g) && j->frozen)
		return guest_step_chain(f, g, j->spec);
	return guest_step_next(f, g, NULL);
}

static enum flow_rc
freeze_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__SnapshotTake *take = j->order->snapshot_take;
	const struct engine_freeze fr = {
		.spec = j->spec,
		.disks = j->disks,
		.memory_fd = j->memory_fd,
		.quiesce = take->quiesce,
	};

	if (!freezes(j))
		return FLOW_NEXT;
	j->frozen = true;
	engine_freeze(j->g->handle, &fr, flow_wake(f));
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

static enum flow_rc
sync_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (j->memory_fd < 0 || !has_images(j))
		return FLOW_NEXT;
	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->memory_fd = MOVE_FD(j->memory_fd);
	k->run = run_sync;
	return guest_step_work(f, j, k);
}

static Drover__Reply *
facts_reply(const struct guest_job *j)
{
	Drover__Reply *r = xcalloc(1, sizeof(*r));
	Drover__SnapshotFacts *s = xcalloc(1, sizeof(*s));

	drover__reply__init(r);
	drover__snapshot_facts__init(s);
	r->result_case = DROVER__REPLY__RESULT_SNAPSHOT;
	r->snapshot = s;
	s->has_memory = j->frozen && j->order->snapshot_take->memory;
	if (j->frozen && j->g->handle) {
		const struct engine_frozen *z = engine_frozen(j->g->handle);

		s->memory_bytes = z->memory_bytes;
		s->paused_ms = z->paused_ms;
		s->quiesced = z->quiesced;
		s->quiesce_why_not = xstrdup(z->why_not);
	}
	return r;
}

static enum flow_rc
taken_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_job_close_fds(j);
	if (j->found)
		return FLOW_NEXT;
	j->reply = facts_reply(j);
	return guest_step_chain(f, j->g, j->spec);
}

/* Done by the same order before the agent ended: what it found out then is lost. */
static int
run_recall(struct guest_work *k)
{
	AUTO_CLOSE int fd = -1;
	off_t n;
	int rc = snapshot_memory_open(k->stores[0], k->guest, k->number, &fd, &k->e);

	if (rc)
		return rc;
	n = lseek(fd, 0, SEEK_END);
	k->bytes = n > 0 ? (uint64_t)n : 0;
	return engine_memory_check(fd, &k->e);
}

static void
recalled(struct guest *g, struct guest_work *k)
{
	Drover__Reply *r = facts_reply(g->job);

	r->snapshot->has_memory = true;
	r->snapshot->memory_bytes = k->bytes;
	g->job->reply = r;
}

static enum flow_rc
recall_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (!j->found)
		return FLOW_NEXT;
	if (!j->order->snapshot_take->memory || !has_images(j)) {
		j->reply = facts_reply(j);
		return FLOW_NEXT;
	}
	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->number = j->order->snapshot_take->snapshot;
	k->run = run_recall;
	k->ended = recalled;
	return guest_step_work(f, j, k);
}

const struct flow_step guest_snapshot_steps[] = {
	{ "check", check_start, NULL, NULL, DISK_MS },
	{ "tops", guest_step_tops, guest_finish_tops, guest_undo_tops, DISK_MS },
	{ "open", open_start, NULL, open_undo, DISK_MS },
	{ "intent", intent_start, NULL, intent_undo, RECORD_MS },
	{ "freeze", freeze_start, NULL, NULL, FREEZE_MS },
	{ "sync", sync_start, NULL, NULL, FREEZE_MS },
	{ "taken", taken_start, NULL, NULL, RECORD_MS },
	{ "recall", recall_start, NULL, NULL, DISK_MS },
	{ NULL },
};

/* ---- revert ---- */

/* The chain below the fresh images is there, and the memory whole. */
static int
run_check_back(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		Drover__DiskSpec d = *k->spec->disks[i];
		struct engine_disk open = { .fd = -1 };

		if (!d.n_backing)
			return err_set(&k->e, ERR_INVALID,
			    "disk %s: the new image would stand on nothing", d.name);
		d.path = d.backing[0]->path;
		d.format = d.backing[0]->format;
		d.backing++;
		d.n_backing--;
		if (disk_open(k->stores[i], &d, &open, &k->e))
			return err_wrap(
			    &k->e, "disk %s of vm %s", d.name, k->spec->name);
		disk_close(&open);
	}
	if (k->wants_memory && (snapshot_memory_open(k->stores[0], k->guest, k->number,
				    &k->memory_fd, &k->e) ||
				   engine_memory_check(k->memory_fd, &k->e)))
		return err_wrap(&k->e, "the memory of vm %s", k->spec->name);
	return 0;
}

static enum flow_rc
check_back_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (!has_images(j))
		return FLOW_NEXT;
	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->number = j->order->snapshot_revert->snapshot;
	k->wants_memory = j->order->snapshot_revert->memory;
	k->run = run_check_back;
	return guest_step_work(f, j, k);
}

/* From here on nothing leads back to the memory that it was suspended with. */
static enum flow_rc
forget_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->g->state != GUEST_SUSPENDED)
		return FLOW_NEXT;
	guest_set_state(j->g, GUEST_STOPPED, "it goes back to a snapshot");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static int
run_use_memory(struct guest_work *k)
{
	if (!k->wants_memory)
		return memory_delete(k->stores[0], k->guest, &k->e);
	return snapshot_memory_use(k->stores[0], k->guest, k->number, &k->e);
}

static enum flow_rc
memory_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (!has_images(j))
		return FLOW_NEXT;
	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->number = j->order->snapshot_revert->snapshot;
	k->wants_memory = j->order->snapshot_revert->memory;
	k->run = run_use_memory;
	return guest_step_work(f, j, k);
}

static enum flow_rc
reverted_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_state(j->g,
	    j->order->snapshot_revert->memory ? GUEST_SUSPENDED : GUEST_STOPPED,
	    "it is back at a snapshot");
	return guest_step_chain(f, j->g, j->spec);
}

static int
run_drop(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (layer_remove(k->stores[i], k->spec->disks[i]->path, &k->e))
			return k->e.code;
	}
	return 0;
}

enum flow_rc
guest_step_drop(struct flow *f, struct guest_job *j, Drover__DiskSpec **drop, size_t n)
{
	Drover__GuestSpec gone = DROVER__GUEST_SPEC__INIT;
	struct guest_work *k;

	if (!n || guest_spec_invented(j->spec))
		return FLOW_NEXT;
	gone.guest = j->g->number;
	gone.name = j->spec->name;
	gone.disks = drop;
	gone.n_disks = n;
	if (guest_work_new(j->g, &gone, &k, flow_err(f)))
		return FLOW_FAIL;
	k->run = run_drop;
	return guest_step_work(f, j, k);
}

static enum flow_rc
drop_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__SnapshotRevert *back = j->order->snapshot_revert;

	return guest_step_drop(f, j, back->drop, back->n_drop);
}

/* Nobody needs what is left: the server finds it by a scan. */
enum flow_rc
guest_finish_drop(struct flow *f, void *arg, int rc)
{
	const struct guest_job *j = arg;

	if (rc)
		log_warn("guest", "vm %s: images that nothing needs stay: %s",
		    j->g->spec->name, flow_err(f)->msg);
	return FLOW_NEXT;
}

const struct flow_step guest_revert_steps[] = {
	{ "check", check_back_start, NULL, NULL, DISK_MS },
	{ "tops", guest_step_tops, guest_finish_tops, guest_undo_tops, DISK_MS },
	{ "forget", forget_start, NULL, NULL, RECORD_MS },
	{ "memory", memory_start, NULL, NULL, COPY_MS },
	{ "reverted", reverted_start, NULL, NULL, RECORD_MS },
	{ "drop", drop_start, guest_finish_drop, NULL, DISK_MS },
	{ NULL },
};
