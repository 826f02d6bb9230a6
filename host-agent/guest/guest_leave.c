/*
 * The tables of the host that a guest leaves: what is known before, the giving, and
 * what comes after it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_claim.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_past.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/link/progress.h"
#include "host-agent/storage/img_check.h"
#include "loop/timer.h"

#define RECORD_MS   20000u
#define DISK_MS     120000u
#define QUICK_MS    60000u
#define CONNECT_MS  30000u
#define PROGRESS_MS 500u

Drover__MoveRecord *
guest_move_record(uint64_t generation, ProtobufCBinaryData key, const char *peer_uuid)
{
	Drover__MoveRecord *m = xcalloc(1, sizeof(*m));

	drover__move_record__init(m);
	m->generation = generation;
	m->key.data = xmemdup(key.data, key.len);
	m->key.len = key.len;
	m->peer_uuid = xstrdup(peer_uuid);
	return m;
}

bool
guest_move_is(
    const struct guest *g, uint64_t generation, const ProtobufCBinaryData *key)
{
	const Drover__MoveRecord *m = g->move;

	return m && m->generation == generation && m->key.len == key->len &&
	       !memcmp(m->key.data, key->data, key->len);
}

/* ---- offer ---- */

static void
add_obstacle(Drover__Offer *o, const char *text)
{
	o->obstacles = xrealloc(o->obstacles, (o->n_obstacles + 1) * sizeof(char *));
	o->obstacles[o->n_obstacles++] = xstrdup(text);
}

static enum flow_rc
ask_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!guest_runs(j->g) || !guest_is_live(j->g))
		return FLOW_NEXT;
	engine_move_offer(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
ask_finish(struct flow *f, void *arg, int rc)
{
	const struct guest_job *j = arg;

	if (rc == ERR_TIMEOUT || rc == ERR_CANCELLED)
		return FLOW_FAIL;
	/* What the engine cannot tell is an obstacle beside the others. */
	if (rc)
		add_obstacle(j->reply->offer, flow_err(f)->msg);
	return FLOW_NEXT;
}

static void
add_engine_offer(Drover__Offer *o, const struct engine_offer *from)
{
	if (!from)
		return;
	if (from->n_shape) {
		o->shape.data = xmemdup(from->shape, from->n_shape);
		o->shape.len = from->n_shape;
	}
	o->memory_bytes = from->memory_bytes;
	for (size_t i = 0; i < from->n_obstacles; i++)
		add_obstacle(o, from->obstacles[i]);
}

/* ask_start, and what is wrong with the state whatever the engine says. */
static enum flow_rc
offer_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guest *g = j->g;
	Drover__Offer *o = xcalloc(1, sizeof(*o));

	drover__offer__init(o);
	j->reply = xcalloc(1, sizeof(*j->reply));
	drover__reply__init(j->reply);
	j->reply->result_case = DROVER__REPLY__RESULT_OFFER;
	j->reply->offer = o;
	o->running = g->state == GUEST_RUNNING;
	if (g->state != GUEST_RUNNING && g->state != GUEST_PAUSED) {
		AUTO_FREE char *text = xasprintf("vm %s is %s%s%s", g->spec->name,
		    guest_state_name(g->state), *g->reason ? ": " : "", g->reason);

		add_obstacle(o, text);
	}
	return ask_start(f, arg);
}

static void
add_disk_facts(Drover__Offer *o, const Drover__DiskSpec *d, uint64_t virtual_bytes,
    uint64_t allocated_bytes)
{
	Drover__DiskFacts *facts = xcalloc(1, sizeof(*facts));

	drover__disk_facts__init(facts);
	facts->name = xstrdup(d->name);
	facts->virtual_bytes = virtual_bytes;
	facts->allocated_bytes = allocated_bytes;
	o->disks = xrealloc(o->disks, (o->n_disks + 1) * sizeof(Drover__DiskFacts *));
	o->disks[o->n_disks++] = facts;
}

static uint64_t
allocated(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

static int
look_at_disk(struct guest_work *k, size_t i, struct err *e)
{
	const Drover__DiskSpec *d = k->spec->disks[i];
	struct engine_disk *disk = &k->disks[i];
	struct img_facts facts;
	enum img_format format;
	uint64_t bytes;

	if (disk_open(k->stores[i], d, disk, e) ||
	    img_format_parse(d->format, &format, e) ||
	    img_check_fd(disk->fd, format, IMG_BACKING_ALLOWED, &facts, e))
		return e->code;
	bytes = allocated(disk->fd);
	for (size_t b = 0; b < disk->n_backing; b++)
		bytes += allocated(disk->backing_fds[b]);
	add_disk_facts(k->offer, d, facts.virtual_bytes, bytes);
	return 0;
}

static int
run_look(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		struct err e = ERR_INIT;

		if (look_at_disk(k, i, &e))
			add_obstacle(k->offer, e.msg);
	}
	return 0;
}

static void
looked(struct guest *g, struct guest_work *k)
{
	g->job->reply->offer = MOVE(k->offer);
}

static enum flow_rc
disks_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guest *g = j->g;
	Drover__Offer *o = j->reply->offer;
	struct guest_work *k;
	struct err e = ERR_INIT;

	if (guest_is_live(g) && guest_runs(g))
		add_engine_offer(o, engine_move_offered(g->handle));
	if (guest_spec_invented(g->spec))
		return FLOW_NEXT;
	if (guest_work_new(j->g, g->spec, &k, &e)) {
		add_obstacle(o, e.msg);
		return FLOW_NEXT;
	}
	k->run = run_look;
	k->ended = looked;
	k->offer = MOVE(j->reply->offer);
	return guest_step_work(f, j, k);
}

const struct flow_step guest_offer_steps[] = {
	{ "ask", offer_start, ask_finish, NULL, QUICK_MS },
	{ "disks", disks_start, NULL, NULL, DISK_MS },
	{ NULL },
};

/* ---- leave ---- */

static void
note_progress(void *arg)
{
	struct guest_job *j = arg;
	const struct engine_progress *p = engine_progress(j->g->handle);
	Drover__Progress at = DROVER__PROGRESS__INIT;
	AUTO_FREE char *phase = NULL;

	phase = p->rounds > 1 ? xasprintf("%s, round %u", p->phase, p->rounds)
			      : xstrdup(p->phase);
	at.done_bytes = p->done_bytes;
	at.total_bytes = p->total_bytes;
	at.bytes_per_s = p->bytes_per_s;
	at.phase = phase;
	progress_note(j->g->gs->env.progress, j->name, &at);
}

void
guest_job_tick_progress(struct guest_job *j)
{
	j->ticker = timer_new(j->g->gs->env.loop, note_progress, j);
	timer_every(j->ticker, PROGRESS_MS);
}

/* A move that is being given can be stopped by the engine alone, which knows whether it
 * is too late for that. */
static void
cancel_leave(struct guest_job *j, const char *why)
{
	if (!j->giving)
		flow_cancel(j->flow, why);
	else if (j->g->handle && engine_guest_state(j->g->handle) == ENGINE_LEAVING)
		engine_move_cancel(j->g->handle);
}

static enum flow_rc
leaving_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__GuestLeave *o = j->order->guest_leave;
	struct guest *g = j->g;

	j->cancel = cancel_leave;
	guest_transfer_free(MOVE(g->transfer));
	guest_set_move(g, guest_move_record(o->generation, o->key, o->target_uuid));
	g->move->running = g->state == GUEST_RUNNING;
	g->move->spare_disks =
	    guest_disks_named(g->spec, o->copied_disks, o->n_copied_disks);
	g->move->n_spare_disks = o->n_copied_disks;
	guest_set_state(g, GUEST_LEAVING, "ordered");
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
connect_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__GuestLeave *o = j->order->guest_leave;
	struct guest *g = j->g;
	const struct channel_dest to = {
		.addresses = (const char *const *)o->addresses,
		.n_addresses = o->n_addresses,
		.port = (uint16_t)o->port,
		.peer_uuid = o->target_uuid,
	};
	struct wake ups[GUEST_MAX_DISKS + 1];

	if (guest_transfer_new(g->gs->env.channel, o->copied_disks, o->n_copied_disks,
		&g->transfer, flow_err(f)))
		return FLOW_FAIL;
	(void)flow_join(f, (unsigned)guest_transfer_streams(g->transfer), ups);
	if (guest_transfer_dial(g->transfer, &to, o->key.data, ups,
		o->policy->bytes_per_s, flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

static enum flow_rc
connect_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_transfer_free(MOVE(j->g->transfer));
	return FLOW_NEXT;
}

static enum flow_rc
give_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__GuestLeave *o = j->order->guest_leave;
	const Drover__MovePolicy *policy = o->policy;
	struct guest_transfer *t = j->g->transfer;
	struct engine_departure d = {
		.n_disks = o->n_copied_disks,
		.downtime_ms = policy->downtime_ms,
		.downtime_max_ms = policy->downtime_max_ms,
		.auto_converge = policy->auto_converge,
		.give_up_ms = policy->give_up_s * 1000,
	};

	for (size_t i = 0; i < o->n_top_disks; i++)
		guest_transfer_only_top(t, o->top_disks[i]);
	d.memory_fd = guest_transfer_take_memory(t);
	d.disks = guest_transfer_take_disks(t);
	j->giving = true;
	guest_job_tick_progress(j);
	engine_move_out(j->g->handle, &d, flow_wake(f));
	return FLOW_WAIT;
}

Drover__MoveFacts *
guest_move_facts(const struct guest *g)
{
	Drover__MoveFacts *m = xcalloc(1, sizeof(*m));
	const struct engine_progress *p = g->handle ? engine_progress(g->handle) : NULL;

	drover__move_facts__init(m);
	m->note = xstrdup(p ? p->note : "");
	if (!p)
		return m;
	m->total_ms = p->total_ms;
	m->downtime_ms = p->downtime_ms;
	m->setup_ms = p->setup_ms;
	m->bytes = p->done_bytes;
	m->rounds = p->rounds;
	m->dirty_bytes_per_s = p->dirty_bytes_per_s;
	m->wire_bytes_per_s = p->bytes_per_s;
	m->throttled = p->throttled;
	m->post_copied = p->post_copied;
	return m;
}

/* Whatever becomes of the record now: after a restart the engine says the same. */
static enum flow_rc
given_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->reply = xcalloc(1, sizeof(*j->reply));
	drover__reply__init(j->reply);
	j->reply->result_case = DROVER__REPLY__RESULT_MOVE;
	j->reply->move = guest_move_facts(j->g);
	guest_set_state(j->g, GUEST_GIVEN, "");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

/* A failure is settled by where the engine is then: see settle_failed(). */
const struct flow_step guest_leave_steps[] = {
	{ "leaving", leaving_start, NULL, NULL, RECORD_MS },
	{ "connect", connect_start, NULL, connect_undo, CONNECT_MS },
	{ "give", give_start, NULL, NULL, 0 },
	{ "give-claim", guest_step_give_claim, guest_finish_any, NULL, CLAIM_DROP_MS },
	{ "given", given_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

/* ---- take back ---- */

static enum flow_rc
back_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_transfer_free(MOVE(j->g->transfer));
	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	engine_move_take_back(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
follow_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	AUTO_FREE char *why = xstrdup(*g->reason ? g->reason : "its process has ended");

	if (guest_is_live(g)) {
		guest_follow_engine(g, GUEST_FAILED);
	} else {
		guest_clear_host(g);
		guest_set_state(g, GUEST_FAILED, why);
	}
	guest_set_move(g, NULL);
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
told_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	if (j->g->state != GUEST_FAILED)
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_LOST,
	    "vm %s was given away and what was kept of it here is gone: %s",
	    j->g->spec->name, j->g->reason);
	return FLOW_FAIL;
}

const struct flow_step guest_take_back_steps[] = {
	{ "reclaim", guest_step_reclaim, NULL, NULL, 0 },
	{ "back", back_start, NULL, NULL, QUICK_MS },
	{ "follow", follow_start, guest_finish_any, NULL, RECORD_MS },
	{ "told", told_start, NULL, NULL, 0 },
	{ NULL },
};

/* ---- release ---- */

static enum flow_rc
end_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_transfer_free(MOVE(j->g->transfer));
	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	engine_kill(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
over_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_past_note(j->g->gs->past, j->g->number,
	    j->order->guest_release->generation, flow_wake(f));
	return FLOW_WAIT;
}

/*
 * Who was away when its move ended is released without being told of the disks that
 * went along.  The record has them: of a guest that was given away those of its move,
 * of one that was down all, less what is in use by now.
 */
static enum flow_rc
left_disks_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__GuestRelease *o = j->order->guest_release;
	const Drover__GuestSpec *spec = j->g->spec;
	const Drover__MoveRecord *m = j->from == GUEST_GIVEN ? j->g->move : NULL;
	const Drover__GuestSpec kept = { .disks = o->kept_disks,
		.n_disks = o->n_kept_disks };
	Drover__DiskSpec **left = o->delete_disks;
	size_t n = o->n_delete_disks;

	if (!n && m) {
		left = m->spare_disks;
		n = m->n_spare_disks;
	} else if (!n && o->n_kept_disks) {
		left = spec->disks;
		n = spec->n_disks;
	}
	AUTO(guest_spec)
	Drover__GuestSpec *images = guest_images_of(spec, left, n, &kept);

	return guest_step_delete_images(f, j, images);
}

const struct flow_step guest_release_steps[] = {
	{ "end", end_start, NULL, NULL, QUICK_MS },
	{ "unclaim", guest_step_unclaim, guest_finish_any, NULL, CLAIM_DROP_MS },
	{ "over", over_start, NULL, NULL, RECORD_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "disks", left_disks_start, guest_finish_delete_images, NULL, DISK_MS },
	{ "folder", guest_step_folder, guest_finish_folder, NULL, DISK_MS },
	{ "unrecord", guest_step_unrecord, NULL, NULL, RECORD_MS },
	{ NULL },
};

/* ---- after a restart of the agent ---- */

static enum flow_rc
adopt_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	struct engine_guest *h;

	if (guest_handle(g, &h, flow_err(f)))
		return FLOW_FAIL;
	engine_adopt_moving(
	    h, g->spec, ENGINE_MOVES_OUT, g->move && g->move->running, flow_wake(f));
	return FLOW_WAIT;
}

/* It may have been given whole before it ended: only its target can tell. */
static void
gone(struct guest *g)
{
	const char *why = engine_guest_reason(g->handle);

	guest_clear_host(g);
	guest_set_state(
	    g, GUEST_GIVEN, *why ? why : "it ended while the agent was away");
}

static enum flow_rc
adopt_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	if (rc == ERR_NOT_FOUND) {
		gone(g);
		return FLOW_NEXT;
	}
	if (rc)
		return FLOW_FAIL;
	guest_follow_engine(g, GUEST_GIVEN);
	if (g->state != GUEST_GIVEN)
		guest_set_move(g, NULL);
	guest_wires_guard(g);
	guest_emit(g, "adopted", "");
	return FLOW_NEXT;
}

/* Nobody knows: the record stays, and the next start of the agent asks again. */
static enum flow_rc
adopt_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_state(j->g, GUEST_UNKNOWN, "the engine cannot tell");
	return FLOW_NEXT;
}

static enum flow_rc
adopt_claim_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	return j->g->state == GUEST_GIVEN ? guest_step_give_claim(f, arg) : FLOW_NEXT;
}

const struct flow_step guest_adopt_leaving_steps[] = {
	{ "adopt", adopt_start, adopt_finish, adopt_undo, QUICK_MS },
	{ "give-claim", adopt_claim_start, guest_finish_any, NULL, CLAIM_DROP_MS },
	{ "record", guest_step_record, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};
