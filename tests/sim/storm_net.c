#include "tests/sim/storm_net.h"

#include <stdlib.h>

#include "base/mem.h"

#define SLOW_NET_MS 3u /* the most that an idle network takes */

struct storm_net {
	struct message *pool;
	uint32_t *free;
	size_t n_free, room;
};

struct storm_net *
net_new(void)
{
	return xcalloc(1, sizeof(struct storm_net));
}

void
net_free(struct storm_net *n)
{
	if (!n)
		return;
	free(n->pool);
	free(n->free);
	free(n);
}

static uint32_t
net_keep(struct storm_net *n, const struct message *m)
{
	if (n->n_free == 0) {
		size_t room = n->room ? 2 * n->room : 64;
		n->pool = xreallocarray(n->pool, room, sizeof(n->pool[0]));
		n->free = xreallocarray(n->free, room, sizeof(n->free[0]));
		for (size_t i = n->room; i < room; i++)
			n->free[n->n_free++] = (uint32_t)i;
		n->room = room;
	}
	uint32_t at = n->free[--n->n_free];
	n->pool[at] = *m;
	return at;
}

bool
net_reaches(const struct storm *w, uint32_t from, uint32_t to)
{
	return !w->on.cut[from][to] && !fault_on(w, FAULT_ISOLATED, from) &&
	       !fault_on(w, FAULT_ISOLATED, to);
}

static uint32_t
latest(const struct storm *w, enum storm_fault_kind k, const struct message *m)
{
	uint32_t from = fault_on(w, k, m->from) ? w->on.x[k][m->from] : 0;
	uint32_t to = fault_on(w, k, m->to) ? w->on.x[k][m->to] : 0;
	return from > to ? from : to;
}

static void
net_post(struct storm *w, const struct message *m, uint64_t extra_ms)
{
	uint64_t late_ms = storm_between(w, 1, SLOW_NET_MS) + extra_ms;
	uint32_t slow = latest(w, FAULT_SLOW, m);

	if (slow)
		late_ms += storm_between(w, 0, slow);
	if (m->kind == MESSAGE_START && fault_on(w, FAULT_LATE_STARTS, m->to)) {
		uint32_t most = w->on.x[FAULT_LATE_STARTS][m->to];
		late_ms += storm_between(w, most / 2, most);
	}
	storm_post(w, w->now_ms + late_ms, EV_MESSAGE, m->to, net_keep(w->net, m));
}

void
net_send(struct storm *w, const struct message *m)
{
	uint32_t loss = latest(w, FAULT_LOSS, m), twice = latest(w, FAULT_TWICE, m);

	if (!net_reaches(w, m->from, m->to) || (loss && storm_chance(w, loss)))
		return;
	if (m->kind == MESSAGE_STOP && fault_on(w, FAULT_NO_STOPS, m->to))
		return;
	net_post(w, m, 0);
	if (twice)
		net_post(w, m, storm_between(w, 0, twice));
}

bool
net_take(struct storm *w, uint64_t arg, struct message *ret)
{
	struct storm_net *n = w->net;

	*ret = n->pool[arg];
	n->free[n->n_free++] = (uint32_t)arg;
	return net_reaches(w, ret->from, ret->to);
}
