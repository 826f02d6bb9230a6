/*
 * card_load: for how long the host's busiest network card had all that it can carry.
 *
 * A card of 1 Gbit/s that has sent or received 125 MB since the look before was busy
 * for a second, whichever direction is more.  From look to look the busiest card
 * counts: one that is idle makes no room on one that is full.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_dev;

struct card_load {
	struct net_dev *last; /* at the look before, as the next */
	size_t n_last;
	uint64_t busy_us;
	bool is_known; /* a card tells its speed: those of virtual machines may not */
};

/* root as of col_host.h. */
void card_load_look(
    struct card_load *c, const char *root, const struct net_dev *links, size_t n);
void card_load_fini(struct card_load *c);

/* A card; not what the kernel made up: bridges, guests' ports, tunnels. */
bool card_is_real(const char *root, const char *name);
