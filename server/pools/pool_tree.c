#include "server/pools/pool_tree.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "scheduler/admit.h"
#include "server/admission/admission.h"

/* vSphere's: a level's shares of one vCPU and of one MB. */
#define CPU_NORMAL 1000u
#define MEM_NORMAL 10u

/* One resource of the tree. */
struct resource {
	const char *name, *unit;
	uint64_t (*reservation)(const struct pool *p);
	uint64_t (*limit)(const struct pool *p);
	bool (*is_expandable)(const struct pool *p);
	uint64_t (*claim)(const struct pool_claim *c);
	uint64_t (*capacity)(const struct host *h);
};

struct tree {
	struct arena *arena;
	const struct inv *inv;
	obj_id *ids;
	struct admit_pool *pools;
	size_t n, room;
};

/* ---- the two resources ---- */

static uint64_t
cpu_reservation(const struct pool *p)
{
	return p->cpu_reservation_mhz;
}

static uint64_t
cpu_limit(const struct pool *p)
{
	return p->cpu_limit_mhz;
}

static bool
cpu_expandable(const struct pool *p)
{
	return p->cpu_expandable;
}

static uint64_t
cpu_claim(const struct pool_claim *c)
{
	return c->cpu_mhz;
}

static uint64_t
cpu_capacity(const struct host *h)
{
	return h->cpu_total_mhz;
}

static uint64_t
mem_reservation(const struct pool *p)
{
	return p->mem_reservation_mb;
}

static uint64_t
mem_limit(const struct pool *p)
{
	return p->mem_limit_mb;
}

static bool
mem_expandable(const struct pool *p)
{
	return p->mem_expandable;
}

static uint64_t
mem_claim(const struct pool_claim *c)
{
	return c->mem_mb;
}

static uint64_t
mem_capacity(const struct host *h)
{
	return h->memory_total_mb;
}

static const struct resource resources[] = {
	{ "CPU", "MHz", cpu_reservation, cpu_limit, cpu_expandable, cpu_claim,
	    cpu_capacity },
	{ "memory", "MB", mem_reservation, mem_limit, mem_expandable, mem_claim,
	    mem_capacity },
};

/* ---- shares ---- */

static uint64_t
shares_of(const char *level, uint64_t custom, uint64_t normal)
{
	if (str_same(level, "custom"))
		return custom;
	if (str_same(level, "low"))
		return normal / 2;
	return str_same(level, "high") ? normal * 2 : normal;
}

uint64_t
pool_cpu_shares(const char *level, uint64_t custom, uint64_t num_cpu)
{
	return shares_of(level, custom, num_cpu * CPU_NORMAL);
}

uint64_t
pool_mem_shares(const char *level, uint64_t custom, uint64_t memory_mb)
{
	return shares_of(level, custom, memory_mb * MEM_NORMAL);
}

/* ---- the tree ---- */

static bool
is_on(const struct vm *vm)
{
	return vm->power_state != POWER_OFF && vm->power_state != POWER_SUSPENDED;
}

struct pool_claim
pool_claim_of(const struct vm *vm)
{
	return (struct pool_claim){ vm->cpu_reservation_mhz, vm->mem_reservation_mb };
}

static uint64_t
capacity_of(const struct inv *inv, obj_id cluster, const struct resource *res)
{
	const struct obj *o = inv_get(inv, cluster);
	uint64_t sum = 0;

	for (size_t i = 0; o && i < o->n_kids; i++) {
		const struct host *h = inv_host(inv, o->kids[i]);

		if (h && admission_counts(h))
			sum += res->capacity(h);
	}
	return sum;
}

static void
add_pool(
    struct tree *t, const struct pool *p, uint32_t parent, const struct resource *res)
{
	uint64_t limit = res->limit(p);

	if (t->n == t->room) {
		size_t room = t->room * 2 + 64;
		struct admit_pool *pools = arena_array(t->arena, room, sizeof(*pools));
		obj_id *ids = arena_array(t->arena, room, sizeof(*ids));

		if (t->n) {
			memcpy(pools, t->pools, t->n * sizeof(*pools));
			memcpy(ids, t->ids, t->n * sizeof(*ids));
		}
		t->pools = pools;
		t->ids = ids;
		t->room = room;
	}
	t->ids[t->n] = p->o.id;
	t->pools[t->n++] = (struct admit_pool){
		.id = obj_id_number(p->o.id),
		.parent = parent,
		.is_expandable = res->is_expandable(p),
		.reservation = res->reservation(p),
		.limit = limit ? limit : ADMIT_NO_LIMIT,
	};
}

static uint32_t
find_pool(const struct tree *t, obj_id id)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (obj_id_is(t->ids[i], id))
			return i;
	}
	return ADMIT_ROOT;
}

/* All pools below one that is there already; skip and what is in it are left out. */
static void
add_below(struct tree *t, const struct resource *res, obj_id skip)
{
	for (uint32_t at = 0; at < t->n; at++) {
		const struct obj *o = inv_get(t->inv, t->ids[at]);

		for (size_t i = 0; o && i < o->n_kids; i++) {
			const struct pool *p = inv_pool(t->inv, o->kids[i]);

			if (p && !obj_id_is(p->o.id, skip))
				add_pool(t, p, at, res);
		}
	}
}

static const struct pool *
root_of(const struct inv *inv, obj_id cluster)
{
	const struct obj *o = inv_get(inv, cluster);

	for (size_t i = 0; o && i < o->n_kids; i++) {
		const struct pool *p = inv_pool(inv, o->kids[i]);

		if (p && p->is_root)
			return p;
	}
	return NULL;
}

static void
count_guests(struct tree *t, const struct resource *res, obj_id without)
{
	INV_EACH(t->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(t->inv, o->id);
		struct pool_claim c = pool_claim_of(vm);
		uint32_t i;

		if (!is_on(vm) || obj_id_is(o->id, without) || !res->claim(&c))
			continue;
		i = find_pool(t, vm->pool);
		if (i != ADMIT_ROOT)
			t->pools[i].guests += res->claim(&c);
	}
}

/* skip: a pool that is left out, with all that it holds. */
static int
read_tree(struct tree *t, obj_id cluster, const struct resource *res, obj_id without_vm,
    obj_id skip, struct err *e)
{
	const struct pool *root = root_of(t->inv, cluster);

	if (!root)
		return err_set(e, ERR_NOT_FOUND, "cluster \"%s\" has no root pool",
		    inv_name(t->inv, cluster));
	add_pool(t, root, ADMIT_ROOT, res);
	t->pools[0].reservation = capacity_of(t->inv, cluster, res);
	t->pools[0].limit = ADMIT_NO_LIMIT;
	t->pools[0].is_expandable = false;
	add_below(t, res, skip);
	count_guests(t, res, without_vm);
	return admit_sum(t->pools, t->n, e);
}

/* ---- refusals ---- */

static int
refuse(const struct tree *t, const struct resource *res, const struct admit_answer *a,
    uint64_t need, struct err *e)
{
	const struct admit_pool *p = &t->pools[a->pool];
	const char *name = inv_name(t->inv, t->ids[a->pool]);
	uint64_t lacks = a->asked - a->free;

	switch (a->why) {
	case ADMIT_FITS:
		return 0;
	case ADMIT_LIMIT:
		return err_set(e, ERR_NO_CAPACITY,
		    "pool \"%s\" lacks %" PRIu64 " %s of %s: %" PRIu64
		    " are asked for and its limit of %" PRIu64 " leaves %" PRIu64
		    "; a limit of %" PRIu64 " would do",
		    name, lacks, res->unit, res->name, a->asked, p->limit, a->free,
		    p->limit + lacks);
	case ADMIT_FULL:
		return err_set(e, ERR_NO_CAPACITY,
		    "the cluster lacks %" PRIu64 " %s of %s: %" PRIu64
		    " of its %" PRIu64 " are not reserved, and %" PRIu64
		    " of the %" PRIu64 " asked for must come from there",
		    lacks, res->unit, res->name, a->free, p->reservation, a->asked,
		    need);
	case ADMIT_FIXED:
		break;
	}
	return err_set(e, ERR_NO_CAPACITY,
	    "pool \"%s\" lacks %" PRIu64 " %s of %s: %" PRIu64 " of its %" PRIu64
	    " are free and %" PRIu64 " are asked for; a reservation of %" PRIu64
	    " would do, or an expandable one",
	    name, lacks, res->unit, res->name, a->free, p->reservation, a->asked,
	    p->reservation + lacks);
}

static int
ask(const struct inv *inv, obj_id pool, obj_id vm, const struct pool_claim *claim,
    enum admit_why *ret_why, struct err *e)
{
	obj_id cluster = inv_ancestor(inv, pool, KIND_CLUSTER);

	*ret_why = ADMIT_FITS;
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		AUTO(arena) struct arena *a = arena_new();
		struct tree t = { .arena = a, .inv = inv };
		uint64_t need = resources[i].claim(claim);
		struct admit_answer answer;
		int rc;

		if (!need)
			continue;
		rc = read_tree(&t, cluster, &resources[i], vm, OBJ_ID_NONE, e);
		if (rc)
			return rc;
		answer = admit_check(t.pools, find_pool(&t, pool), need);
		*ret_why = answer.why;
		rc = refuse(&t, &resources[i], &answer, need, e);
		if (rc)
			return rc;
	}
	return 0;
}

int
pool_admit_guest(const struct inv *inv, obj_id pool, obj_id vm,
    const struct pool_claim *claim, struct err *e)
{
	enum admit_why why;

	return ask(inv, pool, vm, claim, &why, e);
}

bool
pool_wants_hosts(
    const struct inv *inv, obj_id pool, obj_id vm, const struct pool_claim *claim)
{
	struct err ignored = ERR_INIT;
	enum admit_why why;

	return ask(inv, pool, vm, claim, &why, &ignored) && why == ADMIT_FULL;
}

/* ---- pools ---- */

static int
check_settings(const struct pool *p, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		uint64_t limit = resources[i].limit(p);
		uint64_t reservation = resources[i].reservation(p);

		if (limit && limit < reservation)
			return err_set(e, ERR_INVALID,
			    "the %s limit of %" PRIu64
			    " %s is below the reservation of "
			    "%" PRIu64,
			    resources[i].name, limit, resources[i].unit, reservation);
	}
	return 0;
}

/* How many pools lie in one another below p, and p. */
static unsigned
height_of(const struct inv *inv, const struct pool *p)
{
	unsigned highest = 0;

	for (size_t i = 0; i < p->o.n_kids; i++) {
		const struct pool *kid = inv_pool(inv, p->o.kids[i]);
		unsigned h = kid ? height_of(inv, kid) : 0;

		highest = h > highest ? h : highest;
	}
	return highest + 1;
}

static int
check_parent(
    const struct inv *inv, const struct pool *now, obj_id parent, struct err *e)
{
	unsigned depth = now ? height_of(inv, now) : 1;

	for (const struct pool *p = inv_pool(inv, parent); p && !p->is_root;
	     p = inv_pool(inv, p->o.parent), depth++) {
		if (now && obj_id_is(p->o.id, now->o.id))
			return err_set(e, ERR_INVALID,
			    "parent: pool \"%s\" cannot be put into itself",
			    now->o.name);
	}
	if (depth > POOL_MAX_DEPTH)
		return err_set(e, ERR_INVALID,
		    "parent: pools in \"%s\" would lie %u deep, at most %u",
		    inv_name(inv, parent), depth, POOL_MAX_DEPTH);
	return 0;
}

/* What is claimed from the pool itself, as it stands. */
static int
claimed_now(const struct inv *inv, obj_id cluster, const struct resource *res,
    const struct pool *now, uint64_t *ret_claimed, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct tree t = { .arena = a, .inv = inv };
	int rc = 0;

	*ret_claimed = 0;
	if (!now)
		return 0;
	rc = read_tree(&t, cluster, res, OBJ_ID_NONE, OBJ_ID_NONE, e);
	if (!rc)
		*ret_claimed = t.pools[find_pool(&t, now->o.id)].claimed;
	return rc;
}

static int
check_inside(const struct pool *wanted, const struct resource *res, uint64_t claimed,
    struct err *e)
{
	uint64_t limit = res->limit(wanted);

	if (limit && claimed > limit)
		return err_set(e, ERR_NO_CAPACITY,
		    "the %s limit of %" PRIu64 " %s is below the %" PRIu64
		    " that are reserved in pool \"%s\"",
		    res->name, limit, res->unit, claimed, wanted->o.name);
	if (claimed > res->reservation(wanted) && !res->is_expandable(wanted))
		return err_set(e, ERR_NO_CAPACITY,
		    "pool \"%s\" has %" PRIu64
		    " %s of %s reserved in it: it needs that "
		    "reservation, or an expandable one",
		    wanted->o.name, claimed, res->unit, res->name);
	return 0;
}

static int
admit_one(const struct inv *inv, const struct pool *now, const struct pool *wanted,
    obj_id parent, const struct resource *res, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct tree t = { .arena = a, .inv = inv };
	obj_id cluster = inv_ancestor(inv, parent, KIND_CLUSTER);
	struct admit_answer answer;
	uint64_t claimed, need;
	int rc = claimed_now(inv, cluster, res, now, &claimed, e);

	if (!rc)
		rc = check_inside(wanted, res, claimed, e);
	if (!rc)
		rc = read_tree(
		    &t, cluster, res, OBJ_ID_NONE, now ? now->o.id : OBJ_ID_NONE, e);
	if (rc)
		return rc;
	need = res->reservation(wanted);
	need = claimed > need ? claimed : need;
	if (!need)
		return 0;
	answer = admit_check(t.pools, find_pool(&t, parent), need);
	return refuse(&t, res, &answer, need, e);
}

int
pool_admit_pool(const struct inv *inv, const struct pool *now,
    const struct pool *wanted, obj_id parent, struct err *e)
{
	int rc = check_settings(wanted, e);

	if (!rc)
		rc = check_parent(inv, now, parent, e);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(resources); i++)
		rc = admit_one(inv, now, wanted, parent, &resources[i], e);
	return rc;
}

enum pool_health
pool_tree_health(const struct inv *inv, obj_id cluster, char **ret_why)
{
	enum pool_health worst = POOL_HEALTH_VALID;

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		AUTO(arena) struct arena *a = arena_new();
		struct tree t = { .arena = a, .inv = inv };
		struct err e = ERR_INIT;
		uint32_t who = 0;
		enum admit_state st;

		if (read_tree(&t, cluster, &resources[i], OBJ_ID_NONE, OBJ_ID_NONE, &e))
			continue;
		st = admit_tree_state(t.pools, t.n, &who);
		if ((enum pool_health)st <= worst)
			continue;
		worst = (enum pool_health)st;
		if (!ret_why)
			continue;
		free(*ret_why);
		*ret_why =
		    xasprintf("%" PRIu64 " %s of %s are reserved in pool \"%s\", "
			      "which has %" PRIu64,
			t.pools[who].claimed, resources[i].unit, resources[i].name,
			inv_name(inv, t.ids[who]), t.pools[who].reservation);
	}
	return worst;
}
