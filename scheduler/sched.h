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
 * scheduler/restart.h has what comes after a host is lost.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "scheduler/sched_plan.h"
#include "scheduler/sched_view.h"

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

/* The same, and should any one host be lost its guests have memory on the others. */
struct sched_safe {
	uint64_t cluster; /* that they go to; 0: hosts that stand alone */
	const uint64_t *guests;
	size_t count;
	enum sched_detail detail;
};

int sched_place_safe(const struct sched_view *v, const struct sched_safe *s,
    struct sched_plan **ret_plan, struct err *e) WARN_UNUSED;

/* What the moves of guests that run go by. */
struct sched_ask {
	uint64_t cluster; /* hosts of this one; 0: those that stand alone */
	enum sched_detail detail;
	uint32_t at_once;   /* moves from and to one host in a wave */
	uint64_t link_mb_s; /* that a move may send */
	bool keeps_spare;   /* room for the guests of any one host that is lost */
	uint32_t threshold; /* 1: only what must be … 5: any gain; 0: to the target */
	uint64_t target_ppm; /* unevenness of both resources that is good enough */
	uint32_t max_moves;  /* guests that may move */
	uint32_t
	    max_per_host;   /* moves from or to one host in all, to even things out */
	bool must_pay;      /* a move has to bring more than it costs */
	uint64_t price_ppb; /* unevenness, in billionths, that a second of moving
			     * must gain */
	uint32_t tries;     /* of a search for a better plan; 0: none */
	uint64_t seed;      /* of that */
};

/* 8 at once over 1,100 MB/s, without limits, down to nothing. */
struct sched_ask sched_ask_default(void);

/*
 * What must be: rules that are broken, hosts with more memory given away than they
 * have.  Then, unless the threshold is 1, what evens the hosts out: single moves, those
 * that are kept together as one, two that change places.  A guest that would have to go
 * and cannot is a move with ERR_NO_CAPACITY and the blocker as its text.
 */
int sched_balance(const struct sched_view *v, const struct sched_ask *ask,
    struct sched_plan **ret_plan, struct err *e) WARN_UNUSED;
/* All guests that run on these hosts go elsewhere. */
int sched_evacuate(const struct sched_view *v, const uint64_t *hosts, size_t count,
    const struct sched_ask *ask, struct sched_plan **ret_plan,
    struct err *e) WARN_UNUSED;
/* Moves that make room for a guest that fits nowhere, the last one being its own. */
int sched_make_room(const struct sched_view *v, uint64_t guest,
    const struct sched_ask *ask, struct sched_plan **ret_plan,
    struct err *e) WARN_UNUSED;
/*
 * Hosts that could be in standby, the moves that empty them, and hosts in standby that
 * are needed.  A host is aimed at 63 % load: below 45 % some can go, above 81 % more
 * are needed, as they are while guests have nowhere to go should a host be lost.
 */
int sched_power(const struct sched_view *v, const struct sched_ask *ask,
    struct sched_plan **ret_plan, struct err *e) WARN_UNUSED;

struct sched_size {
	uint64_t num_cpu, memory_mb;
	uint32_t failures; /* hosts that may be lost: 0 or 1 */
};

struct sched_room {
	uint64_t host;
	const char *host_name; /* the view's */
	uint32_t count;
};

struct sched_capacity {
	uint32_t count, bound;    /* so many more fit; no way of placing holds more */
	uint64_t next;            /* where one more should go, or 0 */
	const char *next_name;    /* the view's */
	struct sched_room *rooms; /* hosts that take any; caller frees */
	size_t room_count;
};

/* How many more guests of one size fit. */
int sched_capacity(const struct sched_view *v, uint64_t cluster,
    const struct sched_size *size, struct sched_capacity *ret,
    struct err *e) WARN_UNUSED;
