/*
 * sched_plan: the scheduler's answers: which guest goes where, and why.
 *
 * A plan owns everything that it points to, and outlives the view.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct arena;
struct str;

/* Why a guest that runs is moved. */
enum sched_why {

#define SCHED_WHY(code, name, text) SCHED_WHY_##code,
#include "scheduler/why.def"
#undef SCHED_WHY
	SCHED_WHY_COUNT_
};

enum sched_reason_code {

#define SCHED_REASON(code, name, text) SCHED_REASON_##code,
#include "scheduler/reason.def"
#undef SCHED_REASON
	SCHED_REASON_COUNT_
};

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

/* How uneven a cluster is: deviations of its hosts' loads, in millionths. */
struct sched_unevenness {
	uint64_t cpu_ppm, memory_ppm;
};

/* A host's load: demand, and memory given away, by capacity. */
struct sched_load {
	uint64_t cpu_permille, memory_permille;
};

/* What a move costs and brings, in MHz times seconds; docs/scheduler.md tells how. */
struct sched_worth {
	uint64_t copy_ms, stop_ms;
	int64_t cost, benefit, net;
};

/* A host that a guest does not go to. */
struct sched_alternative {
	uint64_t host;
	const char *host_name;
	const char *term;              /* what fails: a reason's name, or "gain" */
	const char *text;              /* follows the host's name in a sentence */
	struct sched_unevenness after; /* had it gone there */
};

#define SCHED_MAX_ALTERNATIVES 3
#define SCHED_NO_MOVE          SIZE_MAX

struct sched_grounds {
	enum sched_why why;
	uint32_t priority;                     /* 1: it must be … 5: any gain */
	const char *rule;                      /* that is broken, or NULL */
	struct sched_unevenness before, after; /* of the hosts that stay */
	struct sched_load from_before, from_after, to_before, to_after;
	struct sched_worth worth;
	const char *const *rules; /* those that name it: all are followed there */
	size_t rule_count;
	struct sched_alternative alternatives[SCHED_MAX_ALTERNATIVES]; /* best first */
	size_t alternative_count;
	size_t waits_for; /* the move that makes its place free, or SCHED_NO_MOVE */
};

/* One guest's way.  from is 0 for a guest that was nowhere. */
struct sched_move {
	uint64_t guest;
	const char *guest_name;
	int code; /* 0, or ERR_NO_CAPACITY: no host can take it */
	uint64_t from;
	const char *from_name;      /* NULL if it was nowhere */
	uint64_t to;                /* 0 unless code is 0 */
	const char *to_name;        /* NULL unless code is 0 */
	const uint64_t *datastores; /* one for each disk; NULL unless code is 0 */
	size_t disk_count;
	uint32_t wave;    /* moves of one wave may be made at a time */
	const char *text; /* one line: where and why, or why nowhere */
	const struct sched_candidate
	    *candidates;        /* best first, then the rejected by id */
	size_t candidate_count; /* 0 for SCHED_BRIEF */
	const struct sched_grounds
	    *grounds; /* of a guest that runs; NULL: a placement */
};

enum sched_power { SCHED_POWER_STANDBY, SCHED_POWER_WAKE };

/* A host that had better be in standby, or had better not. */
struct sched_power_advice {
	uint64_t host;
	const char *host_name;
	enum sched_power power;
	const char *text;
};

enum sched_detail {
	SCHED_BRIEF,   /* where each guest goes */
	SCHED_EXPLAIN, /* and why, and why not elsewhere */
};

/* Moves in the order to be made. */
struct sched_plan {
	const struct sched_move *moves;
	size_t move_count;
	size_t refused;  /* moves whose code is not 0 */
	bool is_ordered; /* each move has room at its turn */
	uint32_t waves;
	struct sched_unevenness before, after; /* of the hosts that stay */
	uint32_t unsafe; /* guests with nowhere to go if their host is lost, if asked */
	const struct sched_power_advice *powers;
	size_t power_count;
	struct arena *arena;
};

void sched_plan_free(struct sched_plan *p);
/* One line, and below it, indented, the grounds or candidates if there are any. */
void sched_move_text(const struct sched_move *m, struct str *out);
/* All moves, and advice on hosts. */
void sched_plan_text(const struct sched_plan *p, struct str *out);
json *sched_plan_json(const struct sched_plan *p);

const char *sched_reason_name(enum sched_reason_code code);
const char *sched_why_name(enum sched_why why); /* vSphere's: "fairnessCpuAvg" */
const char *sched_why_text(enum sched_why why); /* for people */

DEFINE_AUTO(sched_plan, struct sched_plan *, sched_plan_free)
