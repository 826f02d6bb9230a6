/*
 * sched: which guest should run where, and why.
 *
 * A pure library: a snapshot of the cluster goes in, a plan comes out.  Integer
 * arithmetic, ties broken by id: the same snapshot gives the same bytes, whatever order
 * its parts were added in.  No I/O, no clock, no log, no globals; any thread.
 *
 *   v = sched_view_new();
 *   sched_view_add_…(v, …, e) in any order;  sched_view_finish(v, e);
 *   sched_place(v, guest, SCHED_EXPLAIN, &plan, e);
 *   plan->moves[0].to is the host, or moves[0].code says ERR_NO_CAPACITY and .text why;
 *   sched_plan_free(plan);  sched_view_free(v);
 *
 * Ids are the caller's: 1 to 2^63-1, unique within their table, 0 for none.  Sizes are
 * MB of 1024*1024 bytes, CPU is MHz, loads are permille.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/* Bounds of a snapshot, which its builders check. */
#define SCHED_MAX_HOSTS      10000
#define SCHED_MAX_GUESTS     200000
#define SCHED_MAX_OBJECTS    10000 /* clusters, datastores, networks: each */
#define SCHED_MAX_DISKS      16    /* of one guest, as the next */
#define SCHED_MAX_NETWORKS   16
#define SCHED_MAX_VCPUS      1024
#define SCHED_MAX_CORES      65536
#define SCHED_MAX_MHZ        (UINT64_C(1) << 32)
#define SCHED_MAX_MEMORY_MB  (UINT64_C(1) << 32)
#define SCHED_MAX_STORAGE_MB (UINT64_C(1) << 40)

struct arena;
struct str;

enum sched_host_state {

#define SCHED_HOST_STATE(code, name) SCHED_HOST_##code,
#include "scheduler/words.def"
	SCHED_HOST_STATE_COUNT_
};

/* Reserved: on its way to its host; takes the same room as a running guest. */
enum sched_guest_state {

#define SCHED_GUEST_STATE(code, name) SCHED_GUEST_##code,
#include "scheduler/words.def"
	SCHED_GUEST_STATE_COUNT_
};

/* Positions of the bits in the engines masks. */
enum sched_engine {

#define SCHED_ENGINE(code, name) SCHED_ENGINE_##code,
#include "scheduler/words.def"
	SCHED_ENGINE_COUNT_
};

enum sched_reason_code {

#define SCHED_REASON(code, name, text) SCHED_REASON_##code,
#include "scheduler/reason.def"
#undef SCHED_REASON
	SCHED_REASON_COUNT_
};

/* Of a cluster.  Hosts of no cluster follow the default. */
struct sched_policy {
	uint64_t memory_overcommit_permille; /* of what the host has: 100 … 100000 */
	uint64_t vcpus_per_core;             /* at most: 1 … 1024 */
	uint64_t vcpu_demand_mhz;            /* what a vCPU will use: 1 … 100000 */
};

struct sched_policy sched_policy_default(void); /* 1000, 16, 500 */

struct sched_cluster {
	uint64_t id;
	const char *name;
	struct sched_policy policy;
};

struct sched_datastore {
	uint64_t id;
	const char *name;
	uint64_t total_mb;
	uint64_t free_mb;
};

struct sched_network {
	uint64_t id;
	const char *name;
};

struct sched_host {
	uint64_t id;
	const char *name;
	uint64_t cluster; /* 0: stands alone */
	enum sched_host_state state;
	uint64_t cpu_mhz; /* of all cores; capacities may be 0 unless connected */
	uint64_t cpu_cores;
	uint64_t memory_mb;
	uint64_t memory_overhead_mb; /* of memory_mb, what guests never get */
	uint32_t engines;            /* 1 << enum sched_engine */
	const uint64_t *datastores;  /* within reach */
	size_t datastore_count;
	const uint64_t *networks; /* within reach */
	size_t network_count;
};

struct sched_disk {
	uint64_t need_mb;   /* space still to be taken; 0 for a disk that exists */
	uint64_t datastore; /* where it lies or must lie; 0: the scheduler chooses */
	uint64_t
	    backing_datastore; /* a linked clone stays with its template; 0: none */
};

struct sched_guest {
	uint64_t id;
	const char *name;
	uint64_t host;      /* where it is; 0: not placed, then it must be off */
	uint64_t cluster;   /* only hosts of this one will do; 0: any */
	uint64_t want_host; /* only this host will do; 0: any */
	enum sched_guest_state state;
	uint64_t num_cpu;
	uint64_t memory_mb;
	uint32_t engines; /* its host must have all of these */
	const struct sched_disk *disks;
	size_t disk_count;
	const uint64_t *networks;
	size_t network_count;
};

struct sched_counts {
	size_t clusters, datastores, networks, hosts, guests, unplaced;
};

/* The snapshot. */
struct sched_view;
struct sched_view *sched_view_new(void);
void sched_view_free(struct sched_view *v);
/* Check one object and copy it, with its name and lists, into the view. */
int sched_view_add_cluster(
    struct sched_view *v, const struct sched_cluster *c, struct err *e) WARN_UNUSED;
int sched_view_add_datastore(
    struct sched_view *v, const struct sched_datastore *d, struct err *e) WARN_UNUSED;
int sched_view_add_network(
    struct sched_view *v, const struct sched_network *n, struct err *e) WARN_UNUSED;
int sched_view_add_host(
    struct sched_view *v, const struct sched_host *h, struct err *e) WARN_UNUSED;
int sched_view_add_guest(
    struct sched_view *v, const struct sched_guest *g, struct err *e) WARN_UNUSED;
/*
 * Refuse ids given twice and references to nothing, sort, add up what each host
 * carries.  Nothing can be added afterwards; a view that failed here is only to be
 * freed.
 */
int sched_view_finish(struct sched_view *v, struct err *e) WARN_UNUSED;

/* Of a finished view; the ids are borrowed, ascending. */
void sched_view_counts(const struct sched_view *v, struct sched_counts *ret_counts);
const uint64_t *sched_view_unplaced(const struct sched_view *v, size_t *ret_count);
/* The guest whose id ("vm-7" or "7") or else name is text; a name must be unique. */
int sched_view_find_guest(const struct sched_view *v, const char *text,
    uint64_t *ret_id, struct err *e) WARN_UNUSED;

/* Snapshot ⇄ JSON, and back the same.  what names the text in errors. */
int sched_view_from_json(const char *text, size_t n, const char *what,
    struct sched_view **ret_view, struct err *e) WARN_UNUSED;
json *sched_view_to_json(const struct sched_view *v);

/* Why a host cannot take a guest. */
struct sched_reason {
	enum sched_reason_code code;
	uint64_t object; /* the cluster, host, datastore or network meant; 0: none */
	uint64_t asked;  /* the numbers of a shortage, 0 where the code has none */
	uint64_t free;
	uint64_t total;
	const char *text; /* follows the host's name in a sentence */
};

/* One host as seen for one guest. */
struct sched_candidate {
	uint64_t host;
	const char *host_name;
	bool fits;
	uint64_t cpu_before_permille; /* the four loads and guests: 0 unless fits */
	uint64_t cpu_after_permille;
	uint64_t memory_before_permille;
	uint64_t memory_after_permille;
	uint64_t guests;            /* on the host before, whatever their state */
	const uint64_t *datastores; /* one for each disk if it fits, else NULL */
	const struct sched_reason *reasons; /* all of them at once if it does not fit */
	size_t reason_count;
	const char *text; /* factors or reasons, for people */
};

/* One guest's way.  from is 0 for a guest that was nowhere. */
struct sched_move {
	uint64_t guest;
	const char *guest_name;
	int code; /* 0, or ERR_NO_CAPACITY: no host can take it */
	uint64_t from;
	uint64_t to;                /* 0 unless code is 0 */
	const char *to_name;        /* NULL unless code is 0 */
	const uint64_t *datastores; /* one for each disk; NULL unless code is 0 */
	size_t disk_count;
	const char *text; /* one line: where and why, or why nowhere */
	const struct sched_candidate
	    *candidates;        /* best first, then the rejected by id */
	size_t candidate_count; /* 0 for SCHED_BRIEF */
};

/* Moves in the order to be made.  Owns everything it points to; outlives the view. */
struct sched_plan {
	const struct sched_move *moves;
	size_t move_count;
	size_t refused; /* moves whose code is not 0 */
	struct arena *arena;
};

enum sched_detail {
	SCHED_BRIEF,   /* where each guest goes */
	SCHED_EXPLAIN, /* and every host's part in that */
};

/*
 * Find a host for a guest of the view.  One that is somewhere already is judged as if
 * it were taken away from there first.  That no host can take it is no error of the
 * call: the move's code and text say so.  ERR_NOT_FOUND for a guest the view does not
 * have.
 */
int sched_place(const struct sched_view *v, uint64_t guest, enum sched_detail detail,
    struct sched_plan **ret_plan, struct err *e) WARN_UNUSED;
/* The same for count guests, in the order given, each seeing those before it placed. */
int sched_place_many(const struct sched_view *v, const uint64_t *guests, size_t count,
    enum sched_detail detail, struct sched_plan **ret_plan, struct err *e) WARN_UNUSED;

void sched_plan_free(struct sched_plan *p);
/* One line a move; with candidates, each of them indented below it. */
void sched_plan_text(const struct sched_plan *p, struct str *out);
json *sched_plan_json(const struct sched_plan *p);

const char *sched_reason_name(enum sched_reason_code code);

DEFINE_AUTO(sched_view, struct sched_view *, sched_view_free)
DEFINE_AUTO(sched_plan, struct sched_plan *, sched_plan_free)
