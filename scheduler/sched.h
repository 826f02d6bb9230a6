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
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "scheduler/sched_view.h"

struct arena;
struct str;

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

DEFINE_AUTO(sched_plan, struct sched_plan *, sched_plan_free)
