/*
 * The tables of the host that a guest comes to.  Once it has been waited for, only two
 * ends are left: it has come whole and runs, or its generation is refused for ever and
 * nothing of it stays.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_claim.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_past.h"
#include "host-agent/guest/guest_resource.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/network/outage.h"
#include "host-agent/resource/cg.h"
#include "host-agent/storage/seed.h"
#include "host-agent/stores/stores.h"
#include "loop/timer.h"

#define RECORD_MS 20000u
#define DISK_MS   600000u
#define BOOT_MS   180000u
#define QUICK_MS  60000u
/* How long memory is held for a guest that nobody begins to send. */
#define DIAL_MS 120000u

/* ---- arrive ---- */

static const Drover__GuestArrive *
order_of(const struct guest_job *j)
{
	return j->order->guest_arrive;
}

/* A guest whose record was lost may run all the same: never let it in beside itself. */
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
	struct guest *g = j->g;

	if (rc == ERR_NOT_FOUND)
		return FLOW_NEXT;
	if (rc)
		return FLOW_FAIL;
	if (g->tentative) {
		g->tentative = false;
		g->started_ms = clock_wall_ms(loop_clock(g->gs->env.loop));
		guest_follow_engine(g, GUEST_STOPPED);
		guest_save(g, WAKE_NONE);
	}
	err_set(flow_err(f), ERR_BAD_STATE, "vm %s runs here already", g->spec->name);
	return FLOW_FAIL;
}

static enum flow_rc
forget_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->is_new || guest_is_live(j->g))
		return FLOW_NEXT;
	guest_unsave(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static Drover__DiskSpec **
copied(const Drover__GuestArrive *o, const Drover__GuestSpec *spec)
{
	return guest_disks_named(spec, o->copied_disks, o->n_copied_disks);
}

/* From here on whatever lies where a disk is to come was made by this move. */
static enum flow_rc
absent_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	AUTO(guest_spec) Drover__GuestSpec *images = xcalloc(1, sizeof(*images));

	drover__guest_spec__init(images);
	images->guest = j->spec->guest;
	images->name = xstrdup(j->spec->name);
	images->disks = copied(order_of(j), j->spec);
	images->n_disks = order_of(j)->n_copied_disks;
	return guest_step_images_absent(f, j, images);
}

/* What an older move has given away from here, and nobody has released yet. */
static enum flow_rc
end_given_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_transfer_free(MOVE(j->g->transfer));
	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	engine_kill(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static void
not_measured(struct guest *g, const char *why)
{
	/* Of a long reason the front says enough. */
	snprintf(g->arrival.why_not, sizeof(g->arrival.why_not), "%.*s",
	    (int)sizeof(g->arrival.why_not) - 1, why);
}

/* The card that the guest is reached by; NULL: none of them. */
static const Drover__NicSpec *
card_with_address(const Drover__GuestSpec *spec)
{
	for (size_t i = 0; i < spec->n_nics; i++) {
		if (*spec->nics[i]->address)
			return spec->nics[i];
	}
	return NULL;
}

/* A move is none the worse for not being measured. */
static void
listen_to(struct guest_job *j)
{
	struct guest *g = j->g;
	const Drover__NicSpec *nic = card_with_address(g->spec);
	struct outage_guest asked;
	struct err e = ERR_INIT;

	if (guest_spec_invented(g->spec)) {
		not_measured(g, "an invented guest is on no network");
	} else if (g->move && !g->move->running) {
		not_measured(g, "it is paused");
	} else if (!nic) {
		not_measured(g, "it has no address that it could be asked for");
	} else {
		asked = (struct outage_guest){ nic->bridge, nic->mac, nic->address,
			nic->vlan };
		if (outage_new(g->gs->env.loop, &asked, &j->outage, &e))
			not_measured(g, e.msg);
	}
}

static enum flow_rc
claim_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__GuestArrive *o = order_of(j);
	struct guest *g = j->g;
	Drover__MoveRecord *m =
	    guest_move_record(o->generation, o->key, o->source_uuid);

	j->is_new = true;
	guest_clear_host(g);
	if (!str_same(g->spec->engine, j->spec->engine))
		guest_drop_handle(g);
	m->running = o->running;
	m->spare_disks = copied(o, j->spec);
	m->n_spare_disks = o->n_copied_disks;
	guest_set_move(g, m);
	guest_set_spec(g, j->spec);
	g->generation = o->generation;
	g->started_ms = 0;
	g->restart = (struct order_name){ 0 };
	g->arrival = (struct guest_arrival){ 0 };
	g->tentative = false;
	guest_set_state(g, GUEST_ARRIVING, "");
	listen_to(j);
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
claim_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_past_note(
	    j->g->gs->past, j->g->number, order_of(j)->generation, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
make_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guests_env *env = &j->g->gs->env;
	const Drover__MoveRecord *m = j->g->move;
	struct disk_place at = { env->loop, env->blockers, env->disk, NULL };

	if (guest_spec_invented(j->g->spec) || j->i >= m->n_spare_disks)
		return FLOW_NEXT;
	if (stores_get(
		env->stores, m->spare_disks[j->i]->datastore, &at.ds, flow_err(f)))
		return FLOW_FAIL;
	disk_create(&at, m->spare_disks[j->i], flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
make_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc) {
		err_wrap(flow_err(f), "vm %s", j->g->spec->name);
		return FLOW_FAIL;
	}
	j->i++;
	return FLOW_AGAIN;
}

static enum flow_rc
expect_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__GuestArrive *o = order_of(j);
	struct guest *g = j->g;

	if (guest_transfer_new(g->gs->env.channel, o->copied_disks, o->n_copied_disks,
		&g->transfer, flow_err(f)) ||
	    guest_transfer_expect(
		g->transfer, o->key.data, o->source_uuid, flow_err(f)))
		return FLOW_FAIL;
	return FLOW_NEXT;
}

static enum flow_rc
expect_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_transfer_free(MOVE(j->g->transfer));
	return FLOW_NEXT;
}

struct door {
	int seed_fd;
	uint64_t guard_until_us;
};

static void
let_in(
    struct guest_job *j, struct engine_guest *h, const struct door *at, struct wake w)
{
	const Drover__GuestArrive *o = order_of(j);
	struct guest *g = j->g;
	struct cg *cg = guest_spec_invented(g->spec) ? NULL : g->gs->env.cg;
	const struct engine_boot b = {
		.spec = g->spec,
		.disks = j->disks,
		.tap_fds = j->taps,
		.join_cgroups = cg ? cg_guest_join(cg, g->number) : NULL,
		.memory_fd = -1,
		.seed_fd = at->seed_fd,
		.cgroup = cg ? cg_guest_path(cg, g->number) : NULL,
		.guard_until_us = at->guard_until_us,
	};
	const struct engine_arrival a = {
		.shape = o->shape.data,
		.n_shape = o->shape.len,
		.memory_fd = guest_transfer_take_memory(g->transfer),
		.disks = guest_transfer_take_disks(g->transfer),
		.n_disks = o->n_copied_disks,
		/* A claimed one waits for its turn (guest_step_take_claim). */
		.run = o->running && !guest_is_claimed(g),
	};

	engine_move_in(h, &b, &a, w);
}

static enum flow_rc
open_door_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	AUTO_CLOSE int seed_fd = -1;
	struct door at = { .seed_fd = -1 };
	struct engine_guest *h;

	if (guest_handle(j->g, &h, flow_err(f)) ||
	    guest_guard_until(j->g, &at.guard_until_us, flow_err(f)))
		return FLOW_FAIL;
	if (seed_open(j->g->spec->seed, &seed_fd, flow_err(f))) {
		err_wrap(flow_err(f), "vm %s", j->g->spec->name);
		return FLOW_FAIL;
	}
	at.seed_fd = seed_fd;
	let_in(j, h, &at, flow_wake(f));
	/* The guest has copies by now, or nothing. */
	guest_job_close_fds(j);
	return FLOW_WAIT;
}

static enum flow_rc
open_door_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	engine_kill(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

Drover__Reply *
guest_arrive_ready(const struct guests *gs)
{
	Drover__Reply *r = xcalloc(1, sizeof(*r));
	Drover__ArriveReady *ready = xcalloc(1, sizeof(*ready));

	drover__reply__init(r);
	drover__arrive_ready__init(ready);
	r->result_case = DROVER__REPLY__RESULT_ARRIVE_READY;
	r->arrive_ready = ready;
	ready->port = channel_port(gs->env.channel);
	ready->addresses = xcalloc(gs->env.n_channel_addresses + 1, sizeof(char *));
	for (size_t i = 0; i < gs->env.n_channel_addresses; i++) {
		if (*gs->env.channel_addresses[i])
			ready->addresses[ready->n_addresses++] =
			    xstrdup(gs->env.channel_addresses[i]);
	}
	return r;
}

static enum flow_rc
ready_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->reply = guest_arrive_ready(j->g->gs);
	return FLOW_NEXT;
}

const struct flow_step guest_arrive_steps[] = {
	{ "look", look_start, look_finish, forget_undo, QUICK_MS },
	{ "absent", absent_start, NULL, NULL, DISK_MS },
	{ "end-given", end_given_start, NULL, NULL, QUICK_MS },
	{ "claim", claim_start, NULL, claim_undo, RECORD_MS },
	{ "disks", make_start, make_finish, guest_step_delete_spare, DISK_MS },
	{ "open", guest_step_open, NULL, guest_undo_open, DISK_MS },
	{ "group", guest_step_group, NULL, guest_step_clear, 0 },
	{ "wires", guest_step_wires, NULL, guest_step_clear, 0 },
	{ "expect", expect_start, NULL, expect_undo, 0 },
	{ "claim-register", guest_step_claim, guest_finish_claim, guest_undo_claim, 0 },
	{ "open-door", open_door_start, NULL, open_door_undo, BOOT_MS },
	{ "ready", ready_start, NULL, NULL, 0 },
	{ NULL },
};

/* ---- what comes of it ---- */

Drover__ArrivedFacts *
guest_arrived_facts(const struct guest *g)
{
	Drover__ArrivedFacts *a = xcalloc(1, sizeof(*a));

	drover__arrived_facts__init(a);
	a->outage_us = g->arrival.outage_us;
	a->outage_why_not = xstrdup(g->arrival.why_not);
	a->resumed_ms = g->arrival.resumed_ms;
	return a;
}

/* Nobody has begun to send it. */
static void
on_nobody_dialled(void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	if (!g->transfer || guest_transfer_has_begun(g->transfer))
		return;
	log_warn("guest", "vm %s: nobody has begun to send it within %u s",
	    g->spec->name, DIAL_MS / 1000);
	guest_transfer_free(MOVE(g->transfer));
}

/* Its bytes came through the agent that ended. */
static enum flow_rc
adopt_start(struct flow *f, struct guest_job *j)
{
	struct guest *g = j->g;
	struct engine_guest *h;

	if (guest_handle(g, &h, flow_err(f)))
		return FLOW_FAIL;
	not_measured(g, "the host's agent was restarted meanwhile");
	flow_set_timeout(f, QUICK_MS);
	engine_adopt_moving(h, g->spec, ENGINE_MOVES_IN,
	    g->move && g->move->running && !guest_is_claimed(g), flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
come_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->adopts)
		return adopt_start(f, j);
	j->ticker = timer_new(j->g->gs->env.loop, on_nobody_dialled, j);
	timer_after(j->ticker, DIAL_MS);
	engine_move_wait(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
come_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (j->adopts && rc && rc != ERR_NOT_FOUND)
		return FLOW_FAIL;
	j->stays = rc == 0;
	/* Whoever ends it says why himself. */
	if (rc == ERR_LOST)
		snprintf(j->g->arrival.lost_why, sizeof(j->g->arrival.lost_why), "%s",
		    flow_err(f)->msg);
	if (rc)
		log_notice("guest", "vm %s does not come: %s", j->g->spec->name,
		    flow_err(f)->msg);
	return FLOW_NEXT;
}

/* Nobody knows: the record stays, and the next start of the agent asks again. */
static enum flow_rc
come_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->adopts)
		return FLOW_NEXT;
	guest_set_state(j->g, GUEST_UNKNOWN, "the engine cannot tell");
	return FLOW_NEXT;
}

/* It runs: what is on disk follows, and adoption would find the same. */
static enum flow_rc
arrived_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	if (!j->stays)
		return FLOW_NEXT;
	g->started_ms = clock_wall_ms(loop_clock(g->gs->env.loop));
	g->arrival.resumed_ms = g->started_ms;
	g->usage = (struct guest_usage){ 0 };
	g->stalls = 0;
	guest_set_move(g, NULL);
	guest_follow_engine(g, GUEST_FAILED);
	guest_emit(g, "arrived", "");
	if (g->transfer)
		guest_transfer_end_soon(g->transfer, g->gs->env.loop);
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
outage_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->stays || !j->outage)
		return FLOW_NEXT;
	outage_end(j->outage, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
outage_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	struct err e = ERR_INIT;

	if (rc || outage_us(j->outage, &g->arrival.outage_us, &e))
		not_measured(g, rc ? flow_err(f)->msg : e.msg);
	return FLOW_NEXT;
}

/* The promise comes before anything that would make it needless. */
static enum flow_rc
refuse_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	j->forgets = !j->stays;
	if (j->stays)
		return FLOW_NEXT;
	guest_transfer_free(MOVE(g->transfer));
	guest_past_note(g->gs->past, g->number, g->generation, flow_wake(f));
	guest_past_set_why(g->gs->past, g->number, g->generation, g->arrival.lost_why);
	return FLOW_WAIT;
}

/* It may have been killed, and take a while to end; its group cannot go before. */
static enum flow_rc
end_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	if (j->stays || !guest_is_live(j->g))
		return FLOW_NEXT;
	engine_kill(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
unclaim_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	return j->stays ? FLOW_NEXT : guest_step_unclaim(f, arg);
}

static enum flow_rc
drop_disks_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	return j->stays ? FLOW_NEXT : guest_step_delete_spare(f, arg);
}

static enum flow_rc
drop_folder_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	return j->stays ? FLOW_NEXT : guest_step_folder(f, arg);
}

static enum flow_rc
drop_record_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	return j->stays ? FLOW_NEXT : guest_step_unrecord(f, arg);
}

/* From the waiting to its end, or from the agent's next start. */
const struct flow_step guest_arrival_steps[] = {
	{ "come", come_start, come_finish, come_undo, 0 },
	{ "claim-run", guest_step_take_claim, guest_finish_take_claim, NULL, 0 },
	{ "let-run", guest_step_let_run, guest_finish_let_run, NULL, QUICK_MS },
	{ "arrived", arrived_start, guest_finish_any, NULL, RECORD_MS },
	{ "disk-limits", guest_step_disk_limits, guest_finish_any, NULL, DISK_MS },
	{ "outage", outage_start, outage_finish, NULL, QUICK_MS },
	{ "refuse", refuse_start, NULL, NULL, RECORD_MS },
	{ "end", end_start, NULL, NULL, QUICK_MS },
	{ "unclaim", unclaim_start, guest_finish_any, NULL, CLAIM_DROP_MS },
	{ "drop-disks", drop_disks_start, guest_finish_delete_images, NULL, DISK_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "drop-folder", drop_folder_start, guest_finish_folder, NULL, DISK_MS },
	{ "drop-record", drop_record_start, NULL, NULL, RECORD_MS },
	{ NULL },
};

void
guest_arrival_watch(struct guest *g, struct outage *o_take)
{
	struct guest_job *j = guest_job_new_internal(g, "arrival");

	j->outage = o_take;
	j->refuses = true;
	guest_job_start(j, guest_arrival_steps);
}

/* ---- refuse, and the word on what has not come ---- */

static uint64_t
generation_of(const struct guest_job *j)
{
	return j->verb == GV_ARRIVED ? j->order->guest_arrived->generation
				     : j->order->guest_refuse->generation;
}

static enum flow_rc
never_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	/* A record that tells of older times stays as it is. */
	j->stays = !j->forgets;
	guest_past_note(j->g->gs->past, j->g->number, generation_of(j), flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
told_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	if (j->verb != GV_ARRIVED)
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_LOST,
	    "vm %s has not come, and is refused as generation %" PRIu64,
	    j->g->spec->name, generation_of(j));
	return FLOW_FAIL;
}

const struct flow_step guest_refuse_steps[] = {
	{ "never", never_start, NULL, NULL, RECORD_MS },
	{ "end", end_start, NULL, NULL, QUICK_MS },
	{ "unclaim", unclaim_start, guest_finish_any, NULL, CLAIM_DROP_MS },
	{ "drop-disks", drop_disks_start, guest_finish_delete_images, NULL, DISK_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "drop-folder", drop_folder_start, guest_finish_folder, NULL, DISK_MS },
	{ "drop-record", drop_record_start, NULL, NULL, RECORD_MS },
	{ "told", told_start, NULL, NULL, 0 },
	{ NULL },
};
