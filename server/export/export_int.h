/*
 * export_int: what the files of export/ share.
 */
#pragma once
#include "base/map.h"
#include "server/export/export.h"
#include "server/export/export_tally.h"

#define EXPORTER_MAGIC 0x6578706fu
#define MB_BYTES       1048576.0
#define MHZ_HERTZ      1e6
#define KB_BYTES       1024.0
#define MS_PER_S       1000.0

/* What a cluster, a host, a pool or a datastore comes to, of what is in it. */
struct export_sum {
	double used_mhz, wanted_mhz; /* CPU time of guests: got, and would have taken */
	double entitled_mhz;         /* of guests in it, and in pools in it */
	double taken_mhz,
	    taken_bytes; /* of its reservation, by what is directly in it */
	double reserved_bytes, ballooned_bytes;
	double provisioned_bytes;
	unsigned unprotected;
	/* Loads of hosts: how many, their sums and sums of squares. */
	unsigned hosts;
	double cpu, cpu_squares, memory, memory_squares;
	double capacity_mhz, capacity_bytes; /* of hosts with a link */
};

struct exporter {
	uint32_t magic;
	struct export_deps d;
	const struct export_api *api; /* NULL: there is none yet */
	void *api_arg;
	struct export_tally *tally;
	uint64_t started_ms; /* wall */
};

struct export_run {
	struct exporter *x;
	struct export_ask ask;
	size_t family;    /* that is being written */
	bool headed;      /* its head is */
	obj_id after;     /* of its objects, the last that is written */
	struct map *sums; /* struct export_sum by id; NULL: not gathered */
	bool gathered;
	obj_id gathered_to; /* the last guest that was */
	uint64_t took_us[EXPORT_COLLECTORS_];
	struct str *out;
	struct expo expo;
};

/* What a family's writer is given; o: the object, NULL for a family without. */
typedef void (*export_write_fn)(
    const struct export_run *r, const struct obj *o, struct expo *x);

/* ---- export_gather.c ---- */

/* Some more guests; false: everything is there. */
bool export_gather(struct export_run *r);
/* Never NULL. */
const struct export_sum *export_sum_of(const struct export_run *r, obj_id id);
obj_id export_cluster_of(const struct inv *inv, obj_id id);

/* ---- samples ---- */

/* One with the label that names o by its id; none where v is NaN. */
void export_put(struct expo *x, const struct obj *o, double v);
/* The same with one more label. */
void export_put_as(struct expo *x, const struct obj *o, const char *label,
    const char *value, double v);
/* 1 for the state of that number, 0 for the others. */
void export_states(struct expo *x, const struct obj *o, const char *const *states,
    size_t n, size_t is);
/* Begin a sample with o's label. */
void export_begin_of(struct expo *x, const struct obj *o);
void export_label_id(struct expo *x, const char *name, obj_id id);

#define WRITER(name) \
	void name(const struct export_run *r, const struct obj *o, struct expo *x);
#define FAMILY(name, type, unit, collector, kind, writer, help) WRITER(writer)
#define NOW(...)
#define TOTAL(...)
#include "server/export/export.def"
#undef FAMILY
#undef NOW
#undef TOTAL
#undef WRITER
