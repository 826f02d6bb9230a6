#include <string.h>

#include "base/mem.h"
#include "tests/sim/storm_agent_int.h"

#define LOOK_MS  250u
#define PAUSE_MS 3000u /* PLANT_PAUSE_RELEASES */

struct storm_agents *
agents_new(struct storm *w)
{
	struct storm_agents *as = xcalloc(1, sizeof(*as));

	as->isolation_ms = storm_chance(w, 300) ? 15000 : 0;
	for (uint32_t g = 0; g < w->guests; g++)
		as->responses[g] =
		    storm_chance(w, 500) ? FENCE_POWER_OFF : FENCE_LEAVE_ON;
	for (uint32_t h = 0; h < w->hosts; h++) {
		struct agent *a = &as->list[h];
		uint64_t now = storm_clock_ms(w, h);

		*a = (struct agent){ .up = true, .powered = true, .joined = true };
		a->kept.inc = 1;
		a->may_renew = a->asks = true;
		a->store = (struct fence_store){
			.end_ms = lease_end(now, w->terms.length_ms),
			.renew_ms = now,
		};
		a->manager_ms = a->gateway_ms = now;
		for (uint32_t g = 0; g < w->guests; g++) {
			if (storm_home(w, g) == h) {
				a->kept.guests[g] = (struct kept_guest){
					.highest = 1,
					.gen = 1,
					.phase = CLAIM_RUN,
					.wanted = true,
				};
			}
		}
	}
	return as;
}

void
agents_free(struct storm_agents *a)
{
	free(a);
}

bool
agent_is_up(const struct storm *w, uint32_t host)
{
	return agent_at(w, host)->up;
}

struct fence_view
agent_view(const struct agent *a, const struct storm *w)
{
	return (struct fence_view){
		.joined = a->joined,
		.fenced = a->over,
		.network_end_ms = a->network_end_ms,
		.manager_ms = a->manager_ms,
		.gateway_ms = a->gateway_ms,
		.isolation_ms = w->agents->isolation_ms,
		.terms = &w->terms,
		.stores = &a->store,
		.n_stores = 1,
	};
}

static void
write_beat(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host);
	struct io io = {
		.kind = IO_WRITE_BEAT,
		.host = host,
		.life = w->lives[host],
		.begun_ms = storm_clock_ms(w, host),
		.tag = a->kept.inc,
		.isolated = a->isolated,
		.beat = { .known = true,
		    .host_id = host + 1,
		    .inc = a->kept.inc,
		    .seq = ++a->kept.seq,
		    .lease_ms = w->terms.length_ms,
		    .kill_ms =
			w->plant == PLANT_NO_KILL_MARGIN ? 0 : w->terms.kill_ms },
	};

	a->beat_writing = true;
	store_submit(w, &io);
}

static void
read_beats(struct storm *w, uint32_t host)
{
	struct io io = {
		.kind = IO_READ_BEATS,
		.host = host,
		.life = w->lives[host],
		.begun_ms = storm_clock_ms(w, host),
	};

	agent_at(w, host)->beats_reading = true;
	store_submit(w, &io);
}

/* A word of what was read lately, for the leader. */
static struct message_word
word_on(const struct storm *w, const struct agent *a, uint32_t other, uint64_t now)
{
	const struct beat_watch *watch = &a->watches[other];
	uint64_t most = 3ull * w->terms.renew_ms;

	return (struct message_word){
		.read = beat_watch_tells(watch, most) &&
			now - watch->checked_ms < most && now - a->read_ms < most,
		.dead = beat_watch_dead(watch, &w->terms),
		.isolated = a->says_isolated[other],
		.still_ms = beat_watch_still_ms(watch),
	};
}

static void
send_beat(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host);
	uint64_t now = storm_clock_ms(w, host);
	uint64_t silent = now - a->store.renew_ms;
	struct message m = {
		.kind = MESSAGE_BEAT,
		.from = host,
		.epoch = a->kept.epoch,
		.beat = { .inc = a->kept.inc,
		    .number = ++a->beats,
		    .sent_ms = now,
		    .asks = a->asks,
		    .rejoins = a->rejoining,
		    .isolated = a->isolated,
		    .store_lost_ms = silent > 3ull * w->terms.renew_ms ? silent : 0 },
	};

	for (uint32_t g = 0; g < w->guests; g++) {
		const struct kept_guest *k = &a->kept.guests[g];
		m.beat.guests[g] = (struct message_guest){
			.highest = k->highest,
			.gen = k->phase != CLAIM_NONE ? k->gen : 0,
			.reaped = k->reaped,
			.alive = w->copies[g][host].alive,
		};
	}
	for (uint32_t h = 0; h < w->hosts; h++)
		m.beat.words[h] = word_on(w, a, h, now);
	for (uint32_t s = 0; s < w->servers; s++) {
		m.to = storm_server_node(w, s);
		net_send(w, &m);
	}
}

void
agent_on_tick(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host);

	storm_post(w,
	    storm_true_ms(w, host, storm_clock_ms(w, host) + w->terms.renew_ms),
	    EV_TICK, host, 0);
	if (!fault_on(w, FAULT_ISOLATED, host))
		a->gateway_ms = storm_clock_ms(w, host);
	if (a->may_renew && !a->beat_writing)
		write_beat(w, host);
	if (!a->beats_reading)
		read_beats(w, host);
	start_look(w, host, (uint32_t)(a->beats % w->guests));
	send_beat(w, host);
}

/* ---- what fence_decide orders ---- */

static void
end_copy(struct storm *w, uint32_t host, uint32_t g)
{
	struct kept_guest *k = &agent_at(w, host)->kept.guests[g];

	agent_at(w, host)->guests[g].stage = STAGE_NONE;
	k->wanted = false;
	if (w->plant == PLANT_REPORT_FIRST) {
		/* The report goes out now, the signal a moment later. */
		k->reaped = k->gen;
		if (!agent_at(w, host)->guests[g].kill_ms)
			agent_at(w, host)->guests[g].kill_ms = w->now_ms + 3000;
		if (w->now_ms < agent_at(w, host)->guests[g].kill_ms)
			return;
	}
	agent_at(w, host)->guests[g].kill_ms = 0;
	copy_end(w, g, host, COPY_KILLED);
}

static void
drop(struct storm *w, uint32_t host, uint32_t g)
{
	struct agent *a = agent_at(w, host);
	struct agent_guest *ag = &a->guests[g];

	start_give_up(w, host, g);
	if (!ag->starting)
		a->kept.guests[g].reaped = a->kept.guests[g].gen;
	if (!ag->writing && !ag->starting &&
	    claim_may_write(ag->failed_ms, w->terms.settle_ms, storm_clock_ms(w, host)))
		start_write(w, host, g, CLAIM_NONE);
}

static void
obey(struct storm *w, uint32_t host, uint32_t g, const struct fence_order *o)
{
	struct agent *a = agent_at(w, host);

	switch (o->act) {
	case FENCE_KEEP:
		break;
	case FENCE_ARM:
		copy_arm(w, g, host, o->guard_ms);
		break;
	case FENCE_STOP:
	case FENCE_KILL:
		if (w->plant == PLANT_NO_GUARD && o->why == FENCE_WHY_EXPIRED)
			break;
		storm_trace(
		    w, "host %u: kills guest %u (%s)", host, g, fence_why_text(o->why));
		end_copy(w, host, g);
		break;
	case FENCE_DROP:
		drop(w, host, g);
		break;
	case FENCE_RESTART:
		if (a->guests[g].starting)
			break;
		a->guests[g].starting = true;
		w->figures.restarts_in_place++;
		storm_post(w, w->now_ms + storm_between(w, 100, 400), EV_EXEC, host, g);
		break;
	}
}

/* The planted fault: the guest stands still on an I/O error, its claim is given away.
 */
static void
release_paused(struct storm *w, uint32_t host, uint32_t g)
{
	struct agent *a = agent_at(w, host);

	if (w->plant == PLANT_PAUSE_RELEASES && w->copies[g][host].alive &&
	    storm_clock_ms(w, host) - a->store.renew_ms > PAUSE_MS)
		a->kept.guests[g].reaped = a->kept.guests[g].gen;
}

static void
gather(const struct storm *w, uint32_t host, struct fence_guest *list)
{
	const struct agent *a = agent_at(w, host);

	for (uint32_t g = 0; g < w->guests; g++) {
		const struct kept_guest *k = &a->kept.guests[g];
		const struct storm_copy *c = &w->copies[g][host];
		/* Until the write of the run is there for sure, it is a claim. */
		bool runs =
		    k->phase == CLAIM_RUN && a->guests[g].stage != STAGE_RUNNING;

		list[g] = (struct fence_guest){
			.authority = FENCE_SHARED,
			.response = w->agents->responses[g],
			.alive = c->alive,
			.wanted = k->wanted,
			.phase = k->phase == CLAIM_NONE ? CLAIM_NONE
				 : runs                 ? CLAIM_RUN
							: CLAIM_CLAIM,
			.guard_ms = c->guard_ms,
		};
	}
}

/* Who waits for another's lease to die reads more often, to lose no time at its end. */
static void
look_again(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host);

	for (uint32_t g = 0; g < w->guests; g++) {
		if (a->guests[g].stage != STAGE_LOOKING)
			continue;
		if (!a->beats_reading)
			read_beats(w, host);
		start_look(w, host, g);
	}
}

void
agent_on_look(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host);
	struct fence_guest guests[STORM_MAX_GUESTS];
	struct fence_order orders[STORM_MAX_GUESTS];
	struct fence_effects out = { .orders = orders, .renew = &a->may_renew };
	struct fence_view v = agent_view(a, w);

	storm_post(w, w->now_ms + LOOK_MS, EV_LOOK, host, 0);
	gather(w, host, guests);
	a->store.others_have = a->others_have_store;
	v.guests = guests;
	v.n_guests = w->guests;
	fence_decide(&v, storm_clock_ms(w, host), &a->fence, &out);
	a->asks = out.ask_network;
	a->isolated = out.isolated;
	a->rejoining = out.rejoin;
	for (uint32_t g = 0; g < w->guests; g++) {
		obey(w, host, g, &orders[g]);
		release_paused(w, host, g);
	}
	look_again(w, host);
	if (out.reset_host && w->plant != PLANT_NO_GUARD)
		agent_host_dies(w, host, 5000);
}

void
agent_on_exec(struct storm *w, uint32_t host, uint64_t arg)
{
	struct agent *a = agent_at(w, host);
	uint32_t g = (uint32_t)arg;
	uint64_t guard = start_deadline(w, host, g);

	a->guests[g].starting = false;
	if (!a->kept.guests[g].wanted || a->over ||
	    a->kept.guests[g].phase != CLAIM_RUN ||
	    !lease_holds(guard, storm_clock_ms(w, host))) {
		start_give_up(w, host, g);
		return;
	}
	copy_start(w, g, host, a->kept.guests[g].gen, guard);
}

/* ---- what others say ---- */

static void
on_reply(struct storm *w, uint32_t host, const struct message *m)
{
	struct agent *a = agent_at(w, host);
	uint64_t now = storm_clock_ms(w, host);
	uint64_t from = w->plant == PLANT_FROM_ACK ? now : m->reply.sent_ms;

	a->manager_ms = now;
	a->others_have_store = m->reply.others_have_store;
	if (a->rejoining && m->reply.row_inc > a->kept.inc && !m->reply.over) {
		storm_trace(w, "host %u: joins as %llu", host,
		    (unsigned long long)m->reply.row_inc);
		a->kept.inc = m->reply.row_inc;
		a->joined = true;
		a->over = a->rejoining = false;
		a->fence = (struct fence_state){ 0 };
		a->network_end_ms = a->store.end_ms = 0;
		a->store.renew_ms = now;
		return;
	}
	if (m->reply.inc != a->kept.inc)
		return;
	if (m->reply.over || m->reply.row_inc > a->kept.inc)
		a->over = true;
	uint64_t end = lease_end(from, m->reply.length_ms);
	if (m->reply.length_ms && a->asks && end > a->network_end_ms)
		a->network_end_ms = end;
}

static void
on_stop(struct storm *w, uint32_t host, const struct message *m)
{
	struct kept_guest *k = &agent_at(w, host)->kept.guests[m->order.guest];

	if (k->phase != CLAIM_NONE && k->gen <= m->order.gen)
		k->wanted = false;
}

void
agent_on_message(struct storm *w, uint32_t host, uint64_t arg)
{
	struct agent *a = agent_at(w, host);
	struct message m;

	if (!net_take(w, arg, &m) || !a->up)
		return;
	if (m.epoch < a->kept.epoch && w->plant != PLANT_OLD_EPOCH)
		return;
	oracle_epoch(w, host, m.epoch);
	if (m.epoch > a->kept.epoch)
		a->kept.epoch = m.epoch;
	switch (m.kind) {
	case MESSAGE_REPLY:
		on_reply(w, host, &m);
		break;
	case MESSAGE_START:
		start_on_order(w, host, &m);
		break;
	case MESSAGE_STOP:
		on_stop(w, host, &m);
		break;
	case MESSAGE_BEAT:
		break;
	}
}

static void
on_beat_written(struct storm *w, uint32_t host, const struct io *io)
{
	struct agent *a = agent_at(w, host);
	uint64_t from =
	    w->plant == PLANT_FROM_ACK ? storm_clock_ms(w, host) : io->begun_ms;

	a->beat_writing = false;
	/* R9: an answer that comes when the copies are over makes nothing good. */
	if (io->failed || io->tag != a->kept.inc || !a->may_renew)
		return;
	uint64_t end = lease_end(from, w->terms.length_ms);
	if (end > a->store.end_ms)
		a->store.end_ms = end;
	if (io->begun_ms > a->store.renew_ms)
		a->store.renew_ms = io->begun_ms;
}

void
agent_on_io(struct storm *w, uint32_t host, uint64_t arg)
{
	struct agent *a = agent_at(w, host);
	struct io io = store_take(w, arg);

	if (!a->up || io.life != w->lives[host])
		return;
	switch (io.kind) {
	case IO_WRITE_BEAT:
		on_beat_written(w, host, &io);
		break;
	case IO_READ_BEATS:
		a->beats_reading = false;
		if (io.failed)
			break;
		a->read_ms = io.begun_ms;
		for (uint32_t h = 0; h < w->hosts; h++) {
			beat_watch_note(&a->watches[h], &io.beats[h], io.begun_ms,
			    storm_clock_ms(w, host));
			a->says_isolated[h] = io.isolations[h];
		}
		break;
	case IO_WRITE_CLAIM:
		start_on_write(w, host, &io);
		break;
	case IO_READ_CLAIMS:
		start_on_read(w, host, &io);
		break;
	}
}

/* ---- ends and beginnings ---- */

/* Only what is durable is left; a write that was under way may still land. */
static void
forget(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host), was = *a;

	*a = (struct agent){ .powered = was.powered, .joined = was.joined };
	a->kept = was.kept;
	a->over = was.over;
	a->fence = was.fence;
	a->beats = was.beats;
	w->lives[host]++;
}

static void
come_up(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host);
	uint64_t now = storm_clock_ms(w, host);

	a->up = true;
	a->manager_ms = a->gateway_ms = a->store.renew_ms = now;
	for (uint32_t g = 0; g < w->guests; g++) {
		a->guests[g].failed_ms = now;
		if (a->kept.guests[g].phase != CLAIM_NONE && !w->copies[g][host].alive)
			start_give_up(w, host, g);
	}
	storm_post(
	    w, w->now_ms + storm_between(w, 1, w->terms.renew_ms), EV_TICK, host, 0);
	storm_post(w, w->now_ms + 1, EV_LOOK, host, 0);
}

void
agent_dies(struct storm *w, uint32_t host, uint64_t back_ms)
{
	if (!agent_at(w, host)->up)
		return;
	forget(w, host);
	if (back_ms)
		storm_post(w, w->now_ms + back_ms, EV_AGENT_BACK, host, 0);
}

void
agent_on_back(struct storm *w, uint32_t host)
{
	if (agent_at(w, host)->powered && !agent_at(w, host)->up)
		come_up(w, host);
}

void
agent_host_dies(struct storm *w, uint32_t host, uint64_t back_ms)
{
	struct agent *a = agent_at(w, host);

	if (!a->powered)
		return;
	for (uint32_t g = 0; g < w->guests; g++)
		if (w->copies[g][host].alive)
			copy_end(w, g, host, COPY_FAULT);
	forget(w, host);
	a->powered = a->joined = a->over = false;
	a->fence = (struct fence_state){ 0 };
	if (back_ms)
		storm_post(w, w->now_ms + back_ms, EV_BOOT, host, 0);
}

void
agent_on_boot(struct storm *w, uint32_t host)
{
	struct agent *a = agent_at(w, host);

	a->powered = true;
	w->paused_ms[host] = 0;
	for (uint32_t g = 0; g < w->guests; g++) {
		struct kept_guest *k = &a->kept.guests[g];
		k->wanted = false;
		k->reaped = k->gen;
	}
	come_up(w, host);
}

bool
storm_powers_off(const struct storm *w, uint32_t guest)
{
	return w->agents->responses[guest] == FENCE_POWER_OFF;
}
