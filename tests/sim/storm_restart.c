#include "tests/sim/storm_server_int.h"

#define RESEND_MS  1000u
#define HOST_HOLDS 4u

struct search {
	const struct storm *w;
	const struct lead *l;
	uint32_t taken[STORM_MAX_HOSTS]; /* in this look */
};

static uint32_t
guests_on(const struct storm *w, const struct lead *l, uint32_t host, uint32_t but)
{
	uint32_t n = 0;

	for (uint32_t g = 0; g < w->guests; g++)
		n += g != but && l->rows.guests[g].host == host;
	return n;
}

static bool
is_avoided(const struct restart_ask *ask, uint32_t host)
{
	for (size_t i = 0; i < ask->n_avoid; i++)
		if (ask->avoid[i] == host)
			return true;
	return false;
}

/* The double of the scheduler: the emptiest host that was not tried yet. */
static bool
place(void *arg, const struct restart_ask *ask, uint32_t *ret_host)
{
	struct search *x = arg;
	uint32_t best = 0;
	bool found = false;

	for (uint32_t h = 0; h < x->w->hosts; h++) {
		uint32_t there =
		    x->taken[h] + guests_on(x->w, x->l, h, (uint32_t)ask->guest);
		uint32_t cost = there + (is_avoided(ask, h) ? 100 : 0);
		if (x->l->is[h] != HA_UP || !x->l->may_take[h] || ask->full[h] ||
		    there >= HOST_HOLDS)
			continue;
		if (!found || cost < best) {
			best = cost;
			*ret_host = h;
		}
		found = true;
	}
	if (found)
		x->taken[*ret_host]++;
	return found;
}

static uint32_t
attest(const struct storm *w, const struct lead *l, uint32_t guest, uint32_t target,
    struct claim_attest *list)
{
	uint32_t n = 0;

	for (uint32_t h = 0; h < w->hosts; h++) {
		if (h == target)
			continue;
		if (l->reaped[h][guest])
			list[n++] = (struct claim_attest){ .proof = CLAIM_REAPED,
				.host_id = h + 1,
				.run_gen = l->reaped[h][guest] };
		if (l->attested[h])
			list[n++] = (struct claim_attest){ .proof = CLAIM_NETFENCED,
				.host_id = h + 1,
				.inc = l->attested[h] };
	}
	return n;
}

static void
send_order(struct storm *w, uint32_t server, uint32_t guest, enum message_kind kind,
    uint32_t host, uint64_t gen)
{
	struct server *s = server_at(w, server);
	struct message m = {
		.kind = kind,
		.from = storm_server_node(w, server),
		.to = host,
		.epoch = s->view.epoch,
		.order = { .guest = guest, .gen = gen },
	};

	if (kind == MESSAGE_START)
		m.order.n_attests = attest(w, &s->lead, guest, host, m.order.attests);
	net_send(w, &m);
}

static void
send_start(struct storm *w, uint32_t server, uint32_t guest)
{
	struct lead *l = &server_at(w, server)->lead;
	const struct guest_row *row = &l->rows.guests[guest];

	l->sent_ms[guest] = storm_clock_ms(w, storm_server_node(w, server));
	if (w->now_ms >= w->figures.from_ms && !w->figures.ordered_ms)
		w->figures.ordered_ms = w->now_ms;
	send_order(w, server, guest, MESSAGE_START, row->host, row->gen);
}

void
restart_ordered(struct storm *w, uint32_t server, const struct txn *t)
{
	struct lead *l = &server_at(w, server)->lead;
	struct restart_guest *g = &l->guests[t->guest];

	l->rows.guests[t->guest] = t->rows.guests[t->guest];
	g->is = RESTART_STARTING;
	g->host = t->host;
	g->ordered_ms = storm_clock_ms(w, storm_server_node(w, server));
	storm_trace(w, "server %u: orders guest %u gen %llu on host %u", server,
	    t->guest, (unsigned long long)t->rows.guests[t->guest].gen, t->host);
	send_start(w, server, t->guest);
}

static void
submit_start(struct storm *w, uint32_t server, const struct restart_order *o)
{
	struct lead *l = &server_at(w, server)->lead;
	uint32_t g = (uint32_t)o->guest;
	struct txn t = {
		.kind = TXN_START,
		.guest = g,
		.host = o->host,
		.gen = l->rows.guests[g].gen,
	};

	if (l->guest_busy[g])
		return;
	l->guest_busy[g] = true;
	/* The next to be placed sees it there. */
	l->rows.guests[g].host = o->host;
	oracle_placed(w, o->host, guests_on(w, l, o->host, STORM_MAX_GUESTS));
	lead_submit(w, server, &t);
}

/* What a host that nobody hears makes of an order is not known, so not failed either.
 */
static void
hold(const struct storm *w, const struct lead *l, struct restart_guest *guests)
{
	for (uint32_t g = 0; g < w->guests; g++) {
		guests[g] = l->guests[g];
		enum ha_is is = l->is[guests[g].host];
		if (l->guest_busy[g] || (guests[g].is == RESTART_STARTING &&
					    (is == HA_SUSPECT || is == HA_PARTITIONED ||
						is == HA_ISOLATED)))
			guests[g].is = RESTART_HELD;
	}
}

void
restart_look(struct storm *w, uint32_t server)
{
	struct lead *l = &server_at(w, server)->lead;
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));
	struct restart_guest guests[STORM_MAX_GUESTS];
	struct restart_order list[2 * STORM_MAX_GUESTS];
	size_t order[STORM_MAX_GUESTS];
	bool full[STORM_MAX_HOSTS];
	uint32_t starting[STORM_MAX_HOSTS];
	struct search search = { .w = w, .l = l };
	struct restart_orders out = {
		.list = list, .full = full, .starting = starting, .order = order
	};
	struct restart_view v = {
		.guests = guests,
		.n = w->guests,
		.hosts = w->hosts,
		.gate_limit_ms = RESTART_GATE_LIMIT_MS,
		.start_limit_ms = w->terms.dead_ms + 30000,
		.place = place,
		.place_arg = &search,
	};

	hold(w, l, guests);
	restart_sort(guests, w->guests, order);
	ha_restart_decide(&v, now, &out);
	for (size_t i = 0; i < out.n; i++) {
		size_t g = list[i].guest;
		if (list[i].what == RESTART_START)
			submit_start(w, server, &list[i]);
		else if (list[i].what == RESTART_FAIL)
			restart_note_failure(&l->guests[g], list[i].host, now);
		else if (list[i].what == RESTART_ALARM)
			l->guests[g].alarmed = true;
	}
	for (uint32_t g = 0; g < w->guests; g++)
		if (guests[g].is == RESTART_STARTING &&
		    now - l->sent_ms[g] >= RESEND_MS)
			send_start(w, server, g);
}

static void
on_own(struct restart_guest *g, const struct guest_row *row,
    const struct message_guest *m, uint64_t now)
{
	if (m->alive && m->gen == row->gen) {
		g->is = RESTART_RUNNING;
		g->lost_ms = 0;
		g->failures = 0;
		g->n_tried = 0;
	} else if (m->reaped >= row->gen) {
		if (g->is == RESTART_STARTING)
			restart_note_failure(g, row->host, now);
		else if (g->is == RESTART_RUNNING)
			g->lost_ms = now;
		g->is = RESTART_WAITING;
	} else if (m->highest < row->gen && g->is == RESTART_RUNNING) {
		/* Ordered by the leader before us, and never got there. */
		g->is = RESTART_STARTING;
		g->ordered_ms = now;
	}
}

void
restart_report(struct storm *w, uint32_t server, uint32_t host, const struct message *m)
{
	struct lead *l = &server_at(w, server)->lead;
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));

	for (uint32_t g = 0; g < w->guests; g++) {
		const struct message_guest *is = &m->beat.guests[g];
		const struct guest_row *row = &l->rows.guests[g];

		if (is->reaped > l->reaped[host][g])
			l->reaped[host][g] = is->reaped;
		if (l->guest_busy[g])
			continue;
		if (row->host == host)
			on_own(&l->guests[g], row, is, now);
		if (is->gen && is->gen < row->gen)
			send_order(w, server, g, MESSAGE_STOP, host, is->gen);
	}
}
