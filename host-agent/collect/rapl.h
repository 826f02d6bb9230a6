/*
 * rapl: how much energy the host's processors and memory have used, as the processors
 * count it (RAPL, /sys/class/powercap).
 *
 * A counter that began anew is carried on.  Most machines within machines have none,
 * and only root may read it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAPL_ZONES_MAX 64u

struct rapl_zone {
	char folder[32];
	uint64_t last_uj; /* at the look before */
};

struct rapl {
	struct rapl_zone zones[RAPL_ZONES_MAX];
	size_t n_zones;
	uint64_t used_uj; /* since the first look */
	bool is_known;    /* at the last look there was a zone */
};

/* root as of col_host.h.  Starts from a zeroed r. */
void rapl_look(struct rapl *r, const char *root);
