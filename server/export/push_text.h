/*
 * push_text: an object's samples as lines of Graphite and of InfluxDB.  Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"
#include "base/str.h"

struct push_sample {
	const struct metric *metric;
	float v; /* of a delta: in a second */
};

struct push_object {
	const char *kind, *id, *name; /* "vms", "vm-42" */
	uint64_t at_s;                /* since 1970 */
	const struct push_sample *samples;
	size_t n;
};

/* "drover.vms.vm-42.cpu.usage.average 12.5 1767323040", a line a sample. */
void push_text_graphite(
    const char *prefix, const struct push_object *o, struct str *out);
/* One line, "drover,kind=vms,object=vm-42,name=web cpu.usage.average=12.5 176…"; none
 * without a sample. */
void push_text_influx(const struct push_object *o, struct str *out);
