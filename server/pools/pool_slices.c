#include "server/pools/pool_slices.h"

#include "scheduler/divvy.h"

#define WEIGHT_MAX  100000u /* of one among siblings; the kernel's are no finer */
#define GROWTH_PART 8       /* of its memory */
#define IDLE_PART   10      /* of what a guest could use: it counts at least so much */

/* What a pool's guests are entitled to: everywhere, and on the host at hand. */
struct sums {
	uint64_t all, here;
	uint32_t node;   /* on the host at hand, or DIVVY_ROOT */
	uint64_t budget; /* of its limit, that no host holds */
};

struct run {
	const struct slice_view *v;
	struct arena *a;
	struct slices *out;
	struct sums *sums;
	uint32_t *by_host; /* guests, in the order of their hosts */
};

uint64_t
slice_demand(uint64_t used, uint64_t most)
{
	uint64_t demand = used * 2 + most / IDLE_PART;

	return demand < most ? demand : most;
}

uint64_t
slice_memory_demand(uint64_t used, uint64_t most)
{
	uint64_t demand = used + most / GROWTH_PART;

	return demand < most ? demand : most;
}

static uint64_t
limit_of(uint64_t limit)
{
	return limit ? limit : DIVVY_NO_LIMIT;
}

static uint64_t
part_of(uint64_t amount, uint64_t part, uint64_t whole)
{
	return whole ? (uint64_t)((unsigned __int128)amount * part / whole) : 0;
}

static struct divvy_node
guest_node(const struct slice_guest *g, uint32_t parent)
{
	return (struct divvy_node){
		.id = g->id,
		.parent = parent,
		.kind = DIVVY_GUEST,
		.reservation = g->reservation,
		.limit = limit_of(g->limit),
		.shares = g->shares ? g->shares : 1,
		.demand = g->demand,
	};
}

/* ---- the cluster ---- */

/* Guests' and pools' numbers may be the same: ids of pools are told apart by a bit. */
static uint64_t
pool_key(uint64_t id)
{
	return id | UINT64_C(1) << 63;
}

static int
divide_cluster(struct run *r, struct err *e)
{
	const struct slice_view *v = r->v;
	size_t n = v->n_pools + v->n_guests;
	struct divvy_node *nodes = arena_array(r->a, n + 1, sizeof(*nodes));
	uint64_t capacity = 0;
	int rc;

	for (size_t i = 0; i < v->n_hosts; i++)
		capacity += v->hosts[i].capacity;
	for (size_t i = 0; i < v->n_pools; i++) {
		const struct slice_pool *p = &v->pools[i];

		nodes[i] = (struct divvy_node){ .id = pool_key(p->id),
			.parent = p->parent == SLICE_ROOT ? DIVVY_ROOT : p->parent,
			.kind = DIVVY_POOL,
			.reservation = p->reservation,
			.limit = limit_of(p->limit),
			.shares = p->shares ? p->shares : 1 };
	}
	for (size_t i = 0; i < v->n_guests; i++)
		nodes[v->n_pools + i] = guest_node(&v->guests[i],
		    v->guests[i].pool == SLICE_ROOT ? DIVVY_ROOT : v->guests[i].pool);
	rc = divvy(nodes, n, capacity, NULL, e);
	for (size_t i = 0; !rc && i < v->n_guests; i++)
		r->out->guest_entitlement[i] = nodes[v->n_pools + i].entitlement;
	return rc;
}

/* To each pool that the guest is in.  One that is entitled to nothing still runs there.
 */
static void
add_up(struct run *r, size_t guest, bool here)
{
	uint64_t amount = r->out->guest_entitlement[guest] + 1;

	for (uint32_t p = r->v->guests[guest].pool; p != SLICE_ROOT;
	     p = r->v->pools[p].parent) {
		r->sums[p].all += here ? 0 : amount;
		r->sums[p].here += here ? amount : 0;
	}
}

static void
find_budgets(struct run *r)
{
	const struct slice_view *v = r->v;

	for (size_t i = 0; i < v->n_pools; i++) {
		uint64_t held = 0;

		for (uint32_t h = 0; v->pools[i].limit && h < v->n_hosts; h++)
			held += v->held ? v->held(v->arg, v->pools[i].id, h) : 0;
		r->sums[i].budget =
		    v->pools[i].limit > held ? v->pools[i].limit - held : 0;
	}
}

/* ---- a host ---- */

/* Its part of the pool's limit; not more than nobody holds. */
static uint64_t
limit_here(struct run *r, uint32_t pool, uint32_t host)
{
	const struct slice_view *v = r->v;
	struct sums *s = &r->sums[pool];
	uint64_t limit = v->pools[pool].limit, wanted, held, more;

	if (!limit)
		return 0;
	held = v->held ? v->held(v->arg, v->pools[pool].id, host) : 0;
	wanted = part_of(limit, s->here, s->all);
	if (v->hosts[host].is_away)
		wanted = held;
	if (wanted > held) {
		more = wanted - held;
		if (more > s->budget) {
			more = s->budget;
			r->out->waits = true;
		}
		s->budget -= more;
		wanted = held + more;
	}
	/* None at all would be no limit. */
	return wanted ? wanted : 1;
}

static void
take_slice(struct run *r, uint32_t pool, uint32_t host)
{
	const struct slice_pool *p = &r->v->pools[pool];
	const struct sums *s = &r->sums[pool];
	struct slice *out = &r->out->v[r->out->n++];

	*out = (struct slice){ .pool = pool, .host = host };
	out->limit = limit_here(r, pool, host);
	out->reservation = part_of(p->reservation, s->here, s->all);
	out->weight = part_of(p->shares, s->here, s->all);
	if (!out->weight)
		out->weight = 1;
}

/* Pools of the host at hand, as nodes; then its guests. */
static size_t
host_nodes(struct run *r, size_t first, const uint32_t *guests, size_t n_guests,
    struct divvy_node *nodes)
{
	const struct slice_view *v = r->v;
	size_t n = 0;

	for (size_t i = first; i < r->out->n; i++) {
		const struct slice *s = &r->out->v[i];
		uint32_t up = v->pools[s->pool].parent;

		r->sums[s->pool].node = (uint32_t)n;
		nodes[n++] = (struct divvy_node){ .id = pool_key(v->pools[s->pool].id),
			.parent = up == SLICE_ROOT ? DIVVY_ROOT : r->sums[up].node,
			.kind = DIVVY_POOL,
			.reservation = s->reservation,
			.limit = limit_of(s->limit),
			.shares = s->weight };
	}
	for (size_t i = 0; i < n_guests; i++) {
		const struct slice_guest *g = &v->guests[guests[i]];

		nodes[n++] = guest_node(
		    g, g->pool == SLICE_ROOT ? DIVVY_ROOT : r->sums[g->pool].node);
	}
	return n;
}

/* What siblings weigh together decides on how their numbers are scaled. */
struct siblings {
	bool has_reservation;
	uint64_t largest;
};

/* Shares say it all, but for what is reserved: then each weighs what it is entitled to,
 * and never less than it has reserved. */
static uint64_t
weight_of(const struct divvy_node *n, const struct siblings *s)
{
	uint64_t w = n->shares;

	if (s->has_reservation)
		w = n->entitlement > n->reservation ? n->entitlement : n->reservation;
	return w ? w : 1;
}

static struct siblings *
siblings_of(struct siblings *all, const struct divvy_node *n, size_t n_nodes)
{
	return &all[n->parent == DIVVY_ROOT ? n_nodes : n->parent];
}

/* Leaves each node's weight in its want. */
static void
weigh(struct run *r, struct divvy_node *nodes, size_t n)
{
	struct siblings *all = arena_array(r->a, n + 1, sizeof(*all));

	for (size_t i = 0; i < n; i++) {
		if (nodes[i].reservation)
			siblings_of(all, &nodes[i], n)->has_reservation = true;
	}
	for (size_t i = 0; i < n; i++) {
		struct siblings *s = siblings_of(all, &nodes[i], n);

		nodes[i].want = weight_of(&nodes[i], s);
		if (nodes[i].want > s->largest)
			s->largest = nodes[i].want;
	}
	for (size_t i = 0; i < n; i++) {
		const struct siblings *s = siblings_of(all, &nodes[i], n);

		/* Amounts are small numbers, which the kernel would cut. */
		if (s->has_reservation || s->largest > WEIGHT_MAX)
			nodes[i].want = part_of(WEIGHT_MAX, nodes[i].want, s->largest);
		if (!nodes[i].want)
			nodes[i].want = 1;
	}
}

/* What nobody wants at the moment is given out too: whoever comes to want it has it
 * before the next look. */
static int
find_most(struct run *r, struct divvy_node *nodes, size_t n, const uint32_t *guests,
    size_t n_guests, struct err *e)
{
	uint64_t all = 0;
	int rc;

	for (size_t i = 0; i < n; i++)
		nodes[i].reservation = nodes[i].entitlement;
	for (size_t i = 0; i < n_guests; i++) {
		nodes[n - n_guests + i].demand = r->v->guests[guests[i]].most;
		all += nodes[n - n_guests + i].demand;
	}
	rc = divvy(nodes, n, all, NULL, e);
	for (size_t i = 0; !rc && i < n_guests; i++)
		r->out->guest_most[guests[i]] = nodes[n - n_guests + i].entitlement;
	return rc;
}

static int
divide_host(struct run *r, uint32_t host, const uint32_t *guests, size_t n_guests,
    struct err *e)
{
	const struct slice_view *v = r->v;
	size_t first = r->out->n, n;
	struct divvy_node *nodes;
	int rc;

	for (size_t i = 0; i < v->n_pools; i++)
		r->sums[i].here = 0;
	for (size_t i = 0; i < n_guests; i++)
		add_up(r, guests[i], true);
	for (uint32_t i = 0; i < v->n_pools; i++) {
		if (r->sums[i].here)
			take_slice(r, i, host);
	}
	nodes = arena_array(r->a, r->out->n - first + n_guests + 1, sizeof(*nodes));
	n = host_nodes(r, first, guests, n_guests, nodes);
	rc = divvy(nodes, n, v->hosts[host].capacity, NULL, e);
	if (rc)
		return rc;
	weigh(r, nodes, n);
	for (size_t i = first; i < r->out->n; i++)
		r->out->v[i].weight = nodes[i - first].want;
	for (size_t i = 0; i < n_guests; i++) {
		const struct divvy_node *node = &nodes[r->out->n - first + i];

		r->out->guest_weight[guests[i]] = node->want;
		r->out->guest_here[guests[i]] = node->entitlement;
	}
	return v->finds_most ? find_most(r, nodes, n, guests, n_guests, e) : 0;
}

/* ---- all of it ---- */

/* Guests by host, in the order they came; ret_ends: where those of each host end. */
static size_t *
sort_by_host(struct run *r)
{
	const struct slice_view *v = r->v;
	size_t *ends = arena_array(r->a, v->n_hosts + 1, sizeof(*ends));
	size_t *at = arena_array(r->a, v->n_hosts + 1, sizeof(*at));

	for (size_t i = 0; i < v->n_guests; i++)
		ends[v->guests[i].host]++;
	for (size_t h = 0, sum = 0; h < v->n_hosts; h++) {
		at[h] = sum;
		sum += ends[h];
		ends[h] = sum;
	}
	r->by_host = arena_array(r->a, v->n_guests + 1, sizeof(*r->by_host));
	for (uint32_t i = 0; i < v->n_guests; i++)
		r->by_host[at[v->guests[i].host]++] = i;
	return ends;
}

/* At most so many slices: each guest is in as many pools as lie around it. */
static size_t
most_slices(const struct slice_view *v)
{
	size_t n = 0, all = v->n_pools * v->n_hosts;

	for (size_t i = 0; i < v->n_guests; i++) {
		for (uint32_t p = v->guests[i].pool; p != SLICE_ROOT;
		     p = v->pools[p].parent)
			n++;
	}
	return n < all ? n : all;
}

static int
check(const struct slice_view *v, struct err *e)
{
	for (size_t i = 0; i < v->n_pools; i++) {
		if (v->pools[i].parent != SLICE_ROOT && v->pools[i].parent >= i)
			return err_set(e, ERR_INVALID,
			    "pool-%llu comes before the one it lies in",
			    (unsigned long long)v->pools[i].id);
	}
	for (size_t i = 0; i < v->n_guests; i++) {
		const struct slice_guest *g = &v->guests[i];

		if (g->host >= v->n_hosts ||
		    (g->pool != SLICE_ROOT && g->pool >= v->n_pools))
			return err_set(e, ERR_INVALID,
			    "vm-%llu is on a host or in a pool that is not there",
			    (unsigned long long)g->id);
	}
	return 0;
}

int
pool_slices(
    const struct slice_view *v, struct arena *a, struct slices *out, struct err *e)
{
	struct run r = { .v = v, .a = a, .out = out };
	size_t *ends, from = 0;
	int rc = check(v, e);

	if (rc)
		return rc;
	*out = (struct slices){ .n = 0 };
	out->v = arena_array(a, most_slices(v) + 1, sizeof(*out->v));
	out->guest_weight = arena_array(a, v->n_guests + 1, sizeof(uint64_t));
	out->guest_entitlement = arena_array(a, v->n_guests + 1, sizeof(uint64_t));
	out->guest_here = arena_array(a, v->n_guests + 1, sizeof(uint64_t));
	out->guest_most = arena_array(a, v->n_guests + 1, sizeof(uint64_t));
	r.sums = arena_array(a, v->n_pools + 1, sizeof(*r.sums));
	rc = divide_cluster(&r, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < v->n_guests; i++)
		add_up(&r, i, false);
	find_budgets(&r);
	ends = sort_by_host(&r);
	for (uint32_t h = 0; h < v->n_hosts && !rc; h++) {
		rc = divide_host(&r, h, r.by_host + from, ends[h] - from, e);
		from = ends[h];
	}
	return rc;
}
