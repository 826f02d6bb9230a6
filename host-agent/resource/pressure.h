/*
 * pressure: is this host short of memory?
 *
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum pressure {
	PRESSURE_NONE,
	PRESSURE_SHORT, /* what is idle is to be given back */
	PRESSURE_HARD,  /* whatever can be */
};

struct pressure_view {
	uint64_t total_bytes, available_bytes;
	/* Where the kernel counts them: for how long some thread, or all, have waited
	 * for memory since the last look, and how long ago that was.  0: it does not.
	 */
	uint64_t some_us, full_us, span_us;
};

/* What is to stay free of so much. */
uint64_t pressure_spare(uint64_t total_bytes);
enum pressure pressure_decide(const struct pressure_view *v);
const char *pressure_name(enum pressure p);

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=2319750": the totals. */
int pressure_parse(const char *text, uint64_t *ret_some_us, uint64_t *ret_full_us,
    struct err *e) WARN_UNUSED;
