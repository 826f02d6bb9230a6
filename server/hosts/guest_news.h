/*
 * guest_news: what a host's word about a guest changes in the inventory.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "proto/msg.h"
#include "server/event/event.h"
#include "server/inventory/inv.h"

/* What a restored database adds to every generation (db/migrations/0016). */
#define GENERATION_JUMP UINT64_C(1000000)

/* Of a run before this one.  What is older by a jump says nothing of who is ahead. */
static inline bool
generation_is_past(uint64_t generation, uint64_t newest)
{
	return generation < newest && newest - generation < GENERATION_JUMP / 2;
}

struct guest_known {
	enum vm_lifecycle lifecycle;
	enum power_state power;
	uint64_t run_gen;
	uint64_t started_ms;
};

struct guest_change {
	bool power_changed;
	enum power_state power;
	bool gen_changed; /* the host has seen more starts than we remember */
	uint64_t run_gen;
	bool started_changed;
	uint64_t started_ms;
	int event;        /* enum event_code, or -1 */
	char text[200];   /* of the event: follows the machine's name */
	char reason[200]; /* for power_reason, "" for none */
};

enum power_state guest_power(Drover__GuestState s);
/* True if anything is to be written. */
bool guest_news(const struct guest_known *k, const Drover__GuestStatus *s,
    struct guest_change *ret);
