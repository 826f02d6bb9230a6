/*
 * ha_loss: what would come after hosts were lost, in JSON and in words.
 *
 * ha_capacity.h describes the JSON.  Core thread, for the names.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "scheduler/restart.h"

struct inv;
struct str;

/* Some hosts that are lost together, and what the scheduler made of it. */
struct ha_loss {
	const uint64_t *hosts;
	size_t n;
	struct sched_plan *plan; /* NULL: err says why */
	struct err err;
};

json *ha_plan_json(const struct inv *inv, const struct sched_plan *p);
/* Of single hosts, each lost alone. */
json *ha_loss_json(const struct inv *inv, const struct ha_loss *list, size_t n,
    uint32_t survives, const char *text);
/* "survives 1 host, any of them", or the first that nobody can do without, and why. */
void ha_loss_say(const struct inv *inv, const struct ha_loss *list, size_t n,
    uint32_t survives, struct str *to);
