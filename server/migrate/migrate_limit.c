#include "server/migrate/migrate_limit.h"

#define HOST_CEILING  8
#define LINK_CEILING  4
#define STORE_CEILING 128
#define STORES_MAX    16 /* of one machine that count */

enum { COST_MOVE = 1, COST_DISKS = 4, COST_LINK = 1, COST_OVER = 1, COST_INTO = 16 };

static void
add(struct slot_set *s, obj_id object, const char *what, uint32_t cost, uint32_t max)
{
	struct slot_want w = { object, what, cost, max };

	slot_set_add(s, &w);
}

static void
add_host(const struct mig_cost *c, obj_id host, struct slot_set *s)
{
	add(s, host, "moves", c->with_disks ? COST_DISKS : COST_MOVE, HOST_CEILING);
	if (c->over_link)
		add(s, host, "transfers", COST_LINK, LINK_CEILING);
}

void
migrate_limit(const struct mig_cost *c, struct slot_set *ret)
{
	uint32_t cost = c->with_disks ? COST_INTO : COST_OVER;

	*ret = (struct slot_set){ .haste = c->haste };
	add_host(c, c->from, ret);
	if (!obj_id_is(c->from, c->to))
		add_host(c, c->to, ret);
	for (size_t i = 0; i < c->stores.n && i < STORES_MAX; i++)
		add(ret, c->stores.v[i], "moves", cost, STORE_CEILING);
	if (!id_list_has(&c->stores, c->store))
		add(ret, c->store, "moves", cost, STORE_CEILING);
}
