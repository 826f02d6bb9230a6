/*
 * advice_int: what the files of advice/ share.
 */
#pragma once
#include "base/map.h"
#include "scheduler/sched.h"
#include "server/advice/advice.h"
#include "server/inventory/inv.h"
#include "server/rules/rules.h"

struct advice {
	struct inv *inv;
	struct hosts *hosts;
	struct map *holds; /* vm id → struct advice_hold */
};

/*
 * The cluster's hosts and machines (of the whole inventory if cluster is none) and n
 * machines like g that are looked for hosts for; their ids go to ret_ids.
 */
int advice_view(const struct advice *a, const struct advice_guest *g, unsigned n,
    uint64_t *ret_ids, struct sched_view **ret_v, struct err *e) WARN_UNUSED;

/* Of that, the clusters, datastores, networks and hosts, for guests like g. */
int advice_view_places(const struct advice *a, const struct advice_guest *g,
    struct sched_view *v, struct err *e) WARN_UNUSED;
uint32_t advice_engine_bit(const char *name); /* 0 for one that is not known */
/* With room that is held for it. */
enum sched_guest_state advice_guest_state(const struct advice *a, const struct vm *vm);

/* What the rules of its cluster say to the guest on host; why gets the worst. */
enum rule_verdict advice_rules(
    const struct advice *a, const struct advice_guest *g, obj_id host, struct str *why);

/* engine: the one that the guests want, or NULL. */
json *advice_plan_json(
    const struct inv *inv, const struct sched_plan *p, const char *engine);
