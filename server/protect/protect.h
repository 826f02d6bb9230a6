/*
 * protect: which guests run under leases, and what their hosts are told about it.
 *
 * A guest is protected by its settings and those of its cluster, if it could be started
 * elsewhere and its host holds leases at all.  That is judged when it starts, and is
 * stored with the start.  Only reads the inventory; core thread.
 */
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "proto/msg.h"
#include "server/inventory/inv.h"

/* What it asked for, or what its cluster does. */
enum ha_priority protect_priority(const struct inv *inv, const struct vm *vm);
enum ha_response protect_response(const struct inv *inv, const struct vm *vm);
enum ha_monitoring protect_monitoring(const struct inv *inv, const struct vm *vm);

/* What monitoring means: reset it after so long without a sign of life, at most so many
 * times in a window. */
#define PROTECT_MAX_RESETS 3u

struct protect_monitor {
	uint32_t quiet_ms; /* 0: it is not monitored */
	uint32_t resets;   /* at most PROTECT_MAX_RESETS */
	uint32_t window_ms;
};

const struct protect_monitor *protect_monitor_of(enum ha_monitoring level);

/* May HA run it at all, wherever it is?  Else why not, for people. */
int protect_wanted(
    const struct inv *inv, const struct vm *vm, struct err *e) WARN_UNUSED;
/* The same, and does this host hold leases? */
int protect_check(
    const struct inv *inv, const struct vm *vm, obj_id host, struct err *e) WARN_UNUSED;

/* In the transaction that lets it run on host: under leases or not. */
void protect_begin(const struct inv *inv, struct vm *edit, obj_id host);
/* In the transaction in which it ended as somebody wished. */
void protect_end(struct vm *edit);

void protect_fill(const struct inv *inv, const struct vm *vm, Drover__HaGuest *to);
/*
 * What an order to run it brings: NULL if it is not protected from its start on.  With
 * what is known of the other hosts of its cluster: which of their incarnations are over
 * for good.
 */
Drover__RunClaim *protect_claim(
    struct arena *mem, const struct inv *inv, const struct vm *vm, obj_id host);
/* One more that the caller knows of. */
void protect_attest(struct arena *mem, Drover__RunClaim *claim,
    Drover__ClaimProof proof, const struct host *h, uint64_t inc_or_gen);
