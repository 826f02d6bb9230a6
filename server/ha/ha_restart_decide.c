#include "server/ha/ha_restart_decide.h"

#include <string.h>

#include "base/lease.h"

uint64_t
restart_backoff_ms(uint32_t failures)
{
	uint64_t ms = RESTART_BACKOFF_MS;

	if (failures == 0)
		return 0;
	for (uint32_t i = 1; i < failures && ms < RESTART_BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < RESTART_BACKOFF_MAX_MS ? ms : RESTART_BACKOFF_MAX_MS;
}

/* The oldest is forgotten first: then it is as good as any. */
void
restart_note_failure(struct restart_guest *g, uint32_t host, uint64_t now_ms)
{
	g->is = RESTART_WAITING;
	g->failures++;
	g->failed_ms = now_ms;
	for (size_t i = 0; i < g->n_tried; i++)
		if (g->tried[i] == host)
			return;
	if (g->n_tried == RESTART_MAX_TRIED) {
		g->n_tried--;
		memmove(g->tried, g->tried + 1, g->n_tried * sizeof(g->tried[0]));
	}
	g->tried[g->n_tried++] = host;
}

static bool
goes_before(const struct restart_guest *a, const struct restart_guest *b)
{
	return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

static void
sift(const struct restart_guest *guests, size_t *order, size_t root, size_t n)
{
	for (size_t child; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n &&
		    goes_before(&guests[order[child]], &guests[order[child + 1]]))
			child++;
		if (!goes_before(&guests[order[root]], &guests[order[child]]))
			return;
		size_t swap = order[root];
		order[root] = order[child];
		order[child] = swap;
	}
}

void
restart_sort(const struct restart_guest *guests, size_t n, size_t *order)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n / 2; i > 0; i--)
		sift(guests, order, i - 1, n);
	for (size_t end = n; end > 1; end--) {
		size_t first = order[0];
		order[0] = order[end - 1];
		order[end - 1] = first;
		sift(guests, order, 0, end - 1);
	}
}

static bool
has_passed(const struct restart_guest *g, enum restart_gate gate)
{
	if (g->is != RESTART_RUNNING)
		return gate == RESTART_GATE_NONE && g->is == RESTART_STARTING;
	switch (gate) {
	case RESTART_GATE_NONE:
	case RESTART_GATE_ON:
		return true;
	case RESTART_GATE_HEARTBEAT:
		return g->has_heartbeat;
	case RESTART_GATE_PORT:
		return g->has_port;
	}
	return false;
}

static bool
needs_wait(const struct restart_view *v, const struct restart_guest *g, uint64_t now_ms)
{
	for (size_t i = 0; i < g->n_needs; i++) {
		const struct restart_need *need = &g->needs[i];
		const struct restart_guest *first = &v->guests[need->guest];
		uint64_t from =
		    first->ordered_ms > g->lost_ms ? first->ordered_ms : g->lost_ms;
		if (!has_passed(first, need->gate) &&
		    now_ms < lease_end(from, need->limit_ms))
			return true;
	}
	return false;
}

/* A guest of a higher priority that was ordered and has not passed its gate. */
static bool
is_at_gate(const struct restart_view *v, const struct restart_guest *g, uint64_t now_ms)
{
	if (!g->lost_ms || (g->is != RESTART_STARTING && g->is != RESTART_RUNNING))
		return false;
	return !has_passed(g, v->gates[g->priority]) &&
	       now_ms < lease_end(g->ordered_ms, v->gate_limit_ms);
}

static bool
is_due(const struct restart_view *v, const struct restart_guest *g, uint64_t now_ms)
{
	if (g->is != RESTART_WAITING || g->priority == RESTART_OFF)
		return false;
	if (g->failures &&
	    now_ms < lease_end(g->failed_ms, restart_backoff_ms(g->failures)))
		return false;
	return !needs_wait(v, g, now_ms);
}

static void
add(struct restart_orders *out, enum restart_do what, size_t guest, uint32_t host)
{
	out->list[out->n++] =
	    (struct restart_order){ .what = what, .guest = guest, .host = host };
}

static void
count_starts(const struct restart_view *v, uint64_t now_ms, struct restart_orders *out)
{
	out->n = 0;
	memset(out->starting, 0, v->hosts * sizeof(out->starting[0]));
	for (size_t i = 0; i < v->n; i++) {
		const struct restart_guest *g = &v->guests[i];
		if (g->is == RESTART_STARTING) {
			if (now_ms >= lease_end(g->ordered_ms, v->start_limit_ms))
				add(out, RESTART_FAIL, i, g->host);
			else
				out->starting[g->host]++;
		}
		if (g->failures >= RESTART_ALARM_AFTER && !g->alarmed)
			add(out, RESTART_ALARM, i, g->host);
	}
	for (size_t h = 0; h < v->hosts; h++)
		out->full[h] = out->starting[h] >= RESTART_PER_HOST;
}

static void
start(const struct restart_view *v, size_t guest, struct restart_orders *out)
{
	const struct restart_guest *g = &v->guests[guest];
	struct restart_ask ask = {
		.guest = guest,
		.avoid = g->tried,
		.n_avoid = g->n_tried,
		.full = out->full,
	};
	uint32_t host;

	if (!v->place(v->place_arg, &ask, &host)) {
		add(out, RESTART_NO_PLACE, guest, 0);
		return;
	}
	add(out, RESTART_START, guest, host);
	out->full[host] = ++out->starting[host] >= RESTART_PER_HOST;
}

void
ha_restart_decide(
    const struct restart_view *v, uint64_t now_ms, struct restart_orders *out)
{
	bool gate_above = false, gate_here = false;
	enum restart_priority here = RESTART_HIGHEST;

	count_starts(v, now_ms, out);
	for (size_t i = 0; i < v->n; i++) {
		size_t at = out->order[i];
		const struct restart_guest *g = &v->guests[at];
		size_t before = out->n;

		if (g->priority != here) {
			gate_above = gate_above || gate_here;
			gate_here = false;
			here = g->priority;
		}
		if (!gate_above && is_due(v, g, now_ms))
			start(v, at, out);
		bool ordered =
		    out->n > before && out->list[before].what == RESTART_START;
		/* What was ordered just now has passed no gate but the first. */
		if (is_at_gate(v, g, now_ms) ||
		    (ordered && v->gates[here] != RESTART_GATE_NONE))
			gate_here = true;
	}
}
