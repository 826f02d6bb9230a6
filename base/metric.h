/*
 * metric: what is counted of hosts, guests and what holds them (metric.def).
 *
 * Pure.  A sample travels as a whole number of thousandths of its counter's unit.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define METRIC_SCALE 1000u /* of what travels */
#define METRIC_MAX   96u   /* numbers are below it */

/* No samples of it are kept or told; what it comes to since the server began is. */
#define METRIC_LEVEL_TOTAL 4u

/* Instances are cores, cards and disks of an object, by name: "cpu0", "nic-0". */
#define METRIC_INSTANCES_MAX 256u /* of one object */
#define METRIC_INSTANCE_TEXT 32u  /* room for a name */

#define METRIC_UNIT(...)
#define METRIC(e, number, ...) METRIC_##e = (number),

enum metric_id {

#include "base/metric.def"
};
#undef METRIC
#undef METRIC_UNIT

enum metric_kind { METRIC_RATE, METRIC_DELTA, METRIC_ABSOLUTE };

enum metric_rollup { METRIC_AVERAGE, METRIC_SUMMATION, METRIC_LATEST };

#define METRIC_OF_HOST      1u
#define METRIC_OF_MACHINE   2u
#define METRIC_OF_CONTAINER 4u
#define METRIC_OF_GUEST     (METRIC_OF_MACHINE | METRIC_OF_CONTAINER)
#define METRIC_OF_DATASTORE 8u
#define METRIC_OF_POOL      16u
#define METRIC_OF_CLUSTER   32u
#define METRIC_OF_SERVER    64u

struct metric {
	uint32_t number;  /* 0: there is none of that number */
	const char *name; /* "cpu.usage.average" */
	const char *unit; /* "percent" */
	const char *sign; /* "%" */
	enum metric_kind kind;
	enum metric_rollup rollup;
	unsigned level;
	unsigned objects; /* METRIC_OF_… */
	const char *help;
};

/* NULL: there is none. */
const struct metric *metric_at(uint32_t number);
const struct metric *metric_find(const char *name); /* case ignored */
/* In order of their numbers, but for those of METRIC_LEVEL_TOTAL; NULL at the end.
 * Start with NULL. */
const struct metric *metric_next(const struct metric *m);
/* It is also known of instances of that kind of object. */
bool metric_has_instances(const struct metric *m, unsigned objects);
/* May be the name of one: 1 to 31 letters, digits and any of "-_.:@". */
bool metric_instance_valid(const char *name);
/* Those of a kind of object (METRIC_OF_…), in order; returns how many. */
size_t metrics_of(unsigned objects, uint8_t ret_numbers[METRIC_MAX]);
/* Add up to three names that are written much as name is: "a, b"; "" if none is. */
void metric_near(const char *name, struct str *out);
const char *metric_kind_text(enum metric_kind k);     /* "rate" */
const char *metric_rollup_text(enum metric_rollup r); /* "average" */
