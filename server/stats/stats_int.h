/*
 * stats_int: what the files of stats/ share.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "proto/msg.h"
#include "server/inventory/inv.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_instance.h"
#include "server/stats/stat_ring.h"
#include "server/stats/stat_total.h"
#include "server/stats/stats.h"

#define STATS_MAGIC   0x73746174u
#define STATS_RING_S  3600u
#define STATS_THREADS 2u /* one that writes, one that reads */
#define STATS_QUEUE   256u

/* An object with samples. */
struct stat_object {
	struct list_node node; /* in stats->objects */
	struct list_node turn; /* in stats->wheel, or ->due */
	obj_id id;
	unsigned objects; /* METRIC_OF_… */
	struct stat_ring *ring;
	struct list instances;      /* struct stat_instance */
	struct stat_totals *totals; /* NULL: nothing was added up yet */
	uint64_t written;           /* the newest slot in its file */
	bool opened;                /* its file was looked at */
	bool writing;
	int drawing; /* graphs under way that read its file */
};

struct stats {
	uint32_t magic;
	struct inv *inv;
	struct hosts *hosts;
	struct loop *loop;
	struct workers *workers;
	char *dir, *daemon;
	uint32_t step_s, slots;
	struct map *by_id; /* struct stat_object */
	struct list objects;
	/* Those that are due in a second of the period in which all are written once;
	 * those whose second has come, and the second up to which it has. */
	struct list *wheel;
	uint32_t write_s;
	struct list due;
	uint64_t turned_s;
	struct list scans;   /* of stat_scan.c, under way */
	struct list queries; /* of stat_query.c, under way */
	struct stat_sums *sums;
	struct list graphs; /* of stat_graph.c: being drawn, and those that wait */
	struct timer *draw;
	char *graph_program;
	struct map *sources; /* host id → struct source, of stat_intake.c */
	struct timer *tick;  /* writes */
	struct timer *own;   /* samples of our own */
	struct timer *daily;
	unsigned jobs;           /* of writing, under way */
	bool failing;            /* files cannot be written, and that was told */
	uint64_t unreachable_ms; /* since when the daemon is; 0: it is there */
	uint64_t feed_rev;       /* changes of the inventory up to it were seen */
	struct stat_lives *lives;
	struct stat_self *self;
	char *name;                /* of this server; "": it is not counted */
	uint64_t started_ms;       /* wall */
	uint64_t samples, dropped; /* that came from agents: taken, and too old */
	stats_fn follower;
	void *follower_arg;
};

/* NULL: it has no samples. */
struct stat_object *stats_find(const struct stats *s, obj_id id);
/* Made at its first sample; NULL: nothing is counted of it. */
struct stat_object *stats_object(struct stats *s, obj_id id, uint64_t slot);
/* False: it is too old.  What is none of its counters is passed over. */
bool stats_put_value(struct stat_object *o, uint64_t slot, uint32_t counter, float v);
void stats_drop(struct stats *s, struct stat_object *o);
/* Whoever follows or watches: it has got samples. */
void stats_tell(const struct stats *s, obj_id id, uint64_t slot);
/* Of the clock now. */
uint64_t stats_slot(const struct stats *s, uint64_t wall_ms);
/* DIR/vms/vm-42.rrd; malloc'd. */
char *stats_path(const struct stats *s, obj_id id);

/* Kinds of objects that have samples. */
#define STAT_KINDS 6u
extern const enum obj_kind stat_kinds[STAT_KINDS];

/* ---- stat_sum.c ---- */

void stat_sum_open(struct stats *s);
void stat_sum_close(struct stats *s);
/* Pools and clusters, of what was sampled: begins, and tells whoever follows when it is
 * there. */
void stat_sum_up(struct stats *s, uint64_t slot);
/* A sample of that slot has come: where it was summed up already, it is again. */
void stat_sum_late(struct stats *s, uint64_t slot);

/* What was found out for the object before: all hosts of a cluster were looked at. */
struct stat_final {
	obj_id cluster;
	uint64_t newest, told;
};

/* The newest slot of an object that no host's late samples change any more.  known
 * begins as zeroes, and is good for objects that are asked about one after the other.
 */
uint64_t stat_sum_final(
    const struct stats *s, const struct stat_object *o, struct stat_final *known);

/* ---- stat_busy.c ---- */

/* Of the five minutes up to it, to the inventory. */
void stat_tell_busy(struct stats *s, uint64_t slot);

/* ---- stat_intake.c ---- */

void stat_intake_open(struct stats *s);
void stat_intake_close(struct stats *s);

/* Of whom a host says that: itself, or a guest that it has; none: of neither. */
obj_id stat_told_of(const struct stats *s, obj_id host, const Drover__StatSet *set);

/* ---- stat_live.c ---- */

void stat_live_open(struct stats *s);
void stat_live_close(struct stats *s);
/* An object has got samples for everybody. */
void stat_live_tell(const struct stats *s, obj_id id, uint64_t slot);
/* Guests may be on other hosts. */
void stat_live_look(struct stats *s);

/* ---- stat_self.c ---- */

void stat_self_open(struct stats *s);
void stat_self_close(struct stats *s);
/* Samples of this server. */
void stat_self_put(struct stats *s, uint64_t slot);

/* ---- stat_scan.c ---- */

/* Ends those that are under way; after the workers have ended. */
void stat_scan_close(struct stats *s);

/* ---- stat_query.c ---- */

/* As stat_scan_close. */
void stat_query_close(struct stats *s);

/* ---- stat_write.c ---- */

/* The object has its second, in which it is written from now on. */
void stat_write_plan(struct stats *s, struct stat_object *o);
/* Write those that are due. */
void stat_write_due(struct stats *s);
/* Write these; then(arg) comes when it is done.  False: there is nothing to write, or
 * it cannot be now. */
bool stat_write_now(struct stats *s, const obj_id *ids, size_t n,
    void (*then)(void *arg), void *arg) WARN_UNUSED;
/* Write everything, now, on this thread, for at most ms. */
void stat_write_all(struct stats *s, uint64_t ms);

/* ---- stat_graph.c ---- */

/* program: what draws, NULL: this one. */
void stat_graph_open(struct stats *s, const char *program);
/* Ends those that are not drawn yet; after the workers have ended. */
void stat_graph_close(struct stats *s);
void stat_graph_free(struct stats *s);

/* ---- stat_sweep.c ---- */

#define STAT_KEPT_DAYS 30u /* files of what is gone */

/* Put away files of what is gone, and remove those that were long ago. */
void stat_sweep(struct stats *s);
/* The file of one that has just gone. */
void stat_put_away(struct stats *s, obj_id id);
