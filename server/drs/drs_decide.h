/*
 * drs_decide: which guests of a cluster had better run elsewhere, and why.  Pure.
 *
 * First what must be: a host that is to be emptied, a rule that is broken, a host with
 * more memory given away than it has.  Then, while the cluster is less even than its
 * threshold asks for, the move that evens it out most, if it is worth what it costs.
 *
 * Loads are demand by capacity, 0 … 1 and above.  The imbalance of a resource is the
 * population standard deviation of the hosts' loads.  docs/drs.md has the formulae.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "scheduler/policy.h"
#include "server/inventory/inv.h"
#include "server/inventory/inv_drs.h"

struct arena;

#define DRS_NONE     UINT32_MAX
#define DRS_MAX_ALTS 3u

struct drs_host {
	obj_id id;
	const char *name;
	double cpu_mhz, mem_mb; /* capacities, above 0 */
	double core_mhz;
	bool is_leaving; /* its guests have to go */
	bool is_closed;  /* takes no guest; one that is leaving does not either */
	bool is_asleep;  /* in standby: could be woken */
	const char *why_closed; /* or NULL */
	bool is_quarantined;    /* is_closed, and its guests leave where they can */
	/* Why it gets none that need not come: "its network is busy to 91 %"; or NULL.
	 */
	const char *busy;
};

struct drs_guest {
	obj_id id;
	const char *name;
	double cpu_mhz, mem_mb; /* demand */
	double peak_mhz;        /* the most it may want within an hour */
	bool is_measured;       /* no: it counts as its configured size */
	uint32_t host;
	uint32_t reach;      /* in drs_view.reaches */
	const char *pinned;  /* why it stays whatever happens, or NULL */
	const char *resting; /* why it is not moved to even things out, or NULL */
	/* Where it was a short while ago: not back there to even things out; or NULL.
	 */
	const struct drs_host *came_from;
	double stable_s;   /* so long its demand has been what it is, or is taken to
			    * stay so */
	double dirty_mb_s; /* memory that it rewrites */
	bool is_dirty_measured; /* in its last move; no: by its CPU demand */
};

/* Hosts that guests of one kind can run on. */
struct drs_reach {
	const bool *hosts;
	const char *const *why_not; /* one a host; NULL where it can */
};

struct drs_rule {
	const char *name;
	enum rule_type type;
	const uint32_t *guests;
	uint32_t guest_count;
	const bool *hosts; /* one a host; NULL for a rule among guests */
	obj_id id;
};

struct drs_view {
	const struct drs_host *hosts; /* in order of their ids, as the others */
	uint32_t host_count;
	const struct drs_guest *guests;
	uint32_t guest_count;
	const struct drs_reach *reaches;
	uint32_t reach_count;
	const struct drs_rule *rules;
	uint32_t rule_count;
	uint32_t threshold; /* 1 … 5 */
	double link_mb_s;
	bool may_balance; /* no: only what must be */
	bool may_power;   /* hosts may go into standby, or be woken */
	bool keeps_spare; /* room for the guests of any host that is lost */
};

#define DRS_DEGRADED "hostInDegradation" /* the code of DRS_HOST_DEGRADED */

enum drs_reason {
	DRS_HOST_MAINTENANCE,
	DRS_RULE_APART,
	DRS_RULE_TOGETHER,
	DRS_RULE_HOST,
	DRS_RULE_HOST_SOFT,
	DRS_MEMORY_SHORT,
	DRS_HOST_DEGRADED,
	DRS_BALANCE_CPU,
	DRS_BALANCE_MEMORY,
	DRS_REASON_COUNT_
};

/* The sums that imbalance is worked out from: of loads, and of their squares. */
struct drs_sums {
	double cpu, cpu_squares, mem, mem_squares;
};

struct drs_load {
	double cpu_mhz, mem_mb, peak_mhz;
};

struct drs_alt {
	uint32_t host;
	const char *term; /* "reach", "rule", "memory", "busy", "back", "closed",
			   * "gain" */
	const char *text;
	double imbalance; /* of both resources together, had it gone there */
};

struct drs_move {
	uint32_t guest, from, to;
	uint32_t priority; /* 1 … 5 */
	enum drs_reason reason;
	const char *rule; /* that is broken, or NULL */
	uint32_t hosts;   /* that the sums are over */
	struct drs_sums before, after;
	struct drs_load from_before, to_before;
	struct policy_worth worth;
	double knee;
	struct drs_alt alts[DRS_MAX_ALTS];
	uint32_t alt_count;
	/* Guest that goes along, or comes in exchange: "together with \"b\""; or NULL.
	 */
	const char *company;
	uint32_t waits_for; /* the move that makes its place free, or DRS_NONE */
};

/* A guest that has to move and cannot. */
struct drs_blocker {
	uint32_t guest;
	enum drs_reason reason;
	const char *text;
};

/* A host that had better go into standby, or had better be woken. */
struct drs_power {
	uint32_t host;
	enum rec_action action; /* REC_STANDBY or REC_WAKE */
	const char *text;
	double mhz, mem_mb;         /* that all guests want */
	double cap_mhz, cap_mem_mb; /* of the hosts that are there */
};

/* A rule that is not followed as things are, by this guest first. */
struct drs_breach {
	uint32_t rule, guest;
};

struct drs_plan {
	struct drs_move *moves; /* in an order in which each is possible at its turn */
	uint32_t move_count;
	struct drs_blocker *blockers;
	uint32_t blocker_count;
	struct drs_breach *breaches;
	uint32_t breach_count;
	struct drs_power *powers;
	uint32_t power_count;
	bool is_uneven; /* beyond the threshold, before any move */
	uint32_t hosts;
	struct drs_sums before, after; /* over the hosts that stay */
};

/* Everything in the plan is from mem or the view. */
void drs_decide(const struct drs_view *v, struct arena *mem, struct drs_plan *ret);

const char *drs_reason_code(enum drs_reason r); /* "hostMaint" */
const char *drs_reason_text(enum drs_reason r); /* for people */
