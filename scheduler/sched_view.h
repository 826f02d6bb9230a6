/*
 * sched_view: the snapshot that the scheduler decides on.
 *
 * Its parts are checked and copied as they are added, in any order; sched_view_finish
 * looks up what refers to what.  A finished view is never changed.
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
#define SCHED_MAX_MEMBERS    100000 /* of one rule, guests or hosts */
#define SCHED_MAX_VCPUS      1024
#define SCHED_MAX_CORES      65536
#define SCHED_MAX_MHZ        (UINT64_C(1) << 32)
#define SCHED_MAX_MEMORY_MB  (UINT64_C(1) << 32)
#define SCHED_MAX_STORAGE_MB (UINT64_C(1) << 40)

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

enum sched_rule_kind {

#define SCHED_RULE_KIND(code, name) SCHED_RULE_##code,
#include "scheduler/words.def"
	SCHED_RULE_KIND_COUNT_
};

/* In what order guests come back that a host took down with it. */
enum sched_restart {

#define SCHED_RESTART(code, name) SCHED_RESTART_##code,
#include "scheduler/words.def"
	SCHED_RESTART_COUNT_
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
	uint64_t network_permille; /* how busy; above SCHED_BUSY it is avoided */
	uint64_t disk_permille;
	uint64_t max_guests; /* running there; 0: any number */
};

#define SCHED_BUSY 800

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

	/* Of one that runs; without figures a vCPU uses the policy's MHz. */
	bool is_measured;
	uint64_t cpu_demand_mhz;
	uint64_t dirty_kb_s; /* memory that it rewrites */
	uint64_t stable_s;   /* so long its demand has been what it is; 0: not known */
	const char *pinned;  /* why it stays whatever happens, or NULL */
	const char *resting; /* why it is not moved to even things out, or NULL */
	uint64_t cpu_reservation_mhz, memory_reservation_mb, memory_overhead_mb;
	enum sched_restart restart;
};

/* Among guests, or between guests and hosts. */
struct sched_rule {
	uint64_t id;
	const char *name;
	enum sched_rule_kind kind;
	const uint64_t *guests;
	size_t guest_count;
	const uint64_t *hosts;
	size_t host_count; /* 0 for a rule among guests, else at least 1 */
};

struct sched_counts {
	size_t clusters, datastores, networks, hosts, guests, rules, unplaced;
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
int sched_view_add_rule(
    struct sched_view *v, const struct sched_rule *r, struct err *e) WARN_UNUSED;
/*
 * Refuse ids given twice and references to nothing, sort, add up what each host
 * carries.  Nothing can be added afterwards; a view that failed here is only to be
 * freed.
 */
int sched_view_finish(struct sched_view *v, struct err *e) WARN_UNUSED;

/* The cluster, if there is exactly one; else 0. */
uint64_t sched_view_only_cluster(const struct sched_view *v);
/* Of a finished view; the ids are borrowed, ascending. */
void sched_view_counts(const struct sched_view *v, struct sched_counts *ret_counts);
const uint64_t *sched_view_unplaced(const struct sched_view *v, size_t *ret_count);
/* The guest whose id ("vm-7" or "7") or else name is text; a name must be unique. */
int sched_view_find_guest(const struct sched_view *v, const char *text,
    uint64_t *ret_id, struct err *e) WARN_UNUSED;

/* Likewise of a host or cluster. */
int sched_view_find_host(const struct sched_view *v, const char *text, uint64_t *ret_id,
    struct err *e) WARN_UNUSED;
int sched_view_find_cluster(const struct sched_view *v, const char *text,
    uint64_t *ret_id, struct err *e) WARN_UNUSED;

/* Snapshot ⇄ JSON, and back the same.  what names the text in errors. */
int sched_view_from_json(const char *text, size_t n, const char *what,
    struct sched_view **ret_view, struct err *e) WARN_UNUSED;
json *sched_view_to_json(const struct sched_view *v);

DEFINE_AUTO(sched_view, struct sched_view *, sched_view_free)
