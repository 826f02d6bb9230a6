/*
 * push: tells Graphite and InfluxDB the newest samples of everything that is counted.
 *
 * For those who do not come and ask, as Prometheus does: after each step of the clock
 * the samples of that step go out, a few hundred objects a turn.  Core thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct inv;
struct push;
struct stats;

/* Borrowed during the call. */
struct push_opts {
	struct inv *inv;               /* outlives it */
	struct stats *stats;           /* outlives it */
	const char *graphite;          /* "host:port"; "": none */
	const char *graphite_prefix;   /* what paths begin with */
	const char *influx;            /* URL; "": none */
	const char *influx_token_file; /* "": none is wanted */
	const char
	    *influx_ca; /* file of who may sign its certificate; "": the system's */
};

/* Nobody is named: *ret is NULL. */
int push_new(const struct push_opts *o, struct push **ret, struct err *e) WARN_UNUSED;
void push_free(struct push *p);

/* How many targets there are, and of the i-th what it is called and how it fares. */
struct push_count {
	const char *target;     /* "graphite" */
	uint64_t sent, dropped; /* samples */
};

size_t push_counts(const struct push *p, struct push_count ret[2]);
