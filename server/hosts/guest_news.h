/*
 * guest_news: what a host's word about a guest changes in the inventory.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "proto/msg.h"
#include "server/event/event.h"
#include "server/inventory/inv.h"

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
