/*
 * counters: what a guest has of each resource, had at most, may have, and was refused.
 *
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTER_NAME_MAX 32
#define COUNTERS_MAX     48
#define COUNTER_TELL_MS  60000 /* of each, no more often than this */

#define COUNTER_BYTES "bytes"
#define COUNTER_COUNT "count"
#define COUNTER_US    "us"
#define COUNTER_MHZ   "MHz"
#define COUNTER_READY "cpu_ready"

struct counter {
	char name[COUNTER_NAME_MAX];
	const char *unit;
	uint64_t current;
	uint64_t peak;     /* 0: whoever counts does not know */
	uint64_t limit;    /* 0: none */
	uint64_t failures; /* refusals, since it runs */
	bool tells;        /* a failure is worth an event */
	uint64_t told;     /* failures that there were when it was told last */
	uint64_t told_ms;  /* when that was; 0: never */
};

struct counters {
	struct counter v[COUNTERS_MAX];
	size_t n;
};

/* A copy of c; one too many is left out. */
void counters_add(struct counters *to, const struct counter *c);
const struct counter *counters_find(const struct counters *c, const char *name);
/* Take over what was told.  Where nobody knows the peak it is the highest that was
 * seen, in was or now. */
void counters_follow(struct counters *now, const struct counters *was);
/* What threads have waited goes with them when they end: what was counted stays.  seen:
 * what those that live had waited when it was looked at last; it is followed. */
void counters_ready(struct counters *now, const struct counters *was, uint64_t *seen);
/* Refusals before this are no news. */
void counters_begin(struct counters *c);
/* How many refusals are to be told now, which then they are. */
uint64_t counter_news(struct counter *c, uint64_t now_ms);
/* "memory 3 times: its limit is 128 MB" */
void counter_text(const struct counter *c, uint64_t times, char *buf, size_t n);
