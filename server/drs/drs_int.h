/*
 * drs_int: what the files of drs/ share.
 */
#pragma once
#include "base/arena.h"
#include "server/drs/drs_decide.h"

/* One run of drs_decide. */
struct drs_run {
	const struct drs_view *v;
	struct arena *mem;
	struct drs_plan *plan;
	uint32_t *at;        /* each guest, as far as the plan has led */
	double *cpu, *given; /* each host's demand and memory likewise */
	double *peak;        /* and the most that its guests may want */
	bool *has_moved;
	bool *is_stuck; /* a blocker already */
	double knee;
};

/* drs_mandatory.c */
void drs_find_breaches(struct drs_run *r);
void drs_mandatory(struct drs_run *r);
/* A failing term against guest on host as things are, or NULL; strict: also for rules
 * that only should be followed. */
const char *drs_against(const struct drs_run *r, uint32_t guest, uint32_t host,
    bool is_strict, const char **ret_text);

/* drs_quarantine.c */
void drs_leave_quarantine(struct drs_run *r);

/* drs_power.c */
void drs_find_powers(struct drs_run *r);

/* drs_even.c */
void drs_even_out(struct drs_run *r);

/* drs_worth.c */
struct policy_worth drs_worth_of(const struct drs_run *r, uint32_t guest, uint32_t to);
double drs_peak(const struct drs_guest *g); /* its peak, or at least its demand */
/* Sums over the hosts that stay. */
struct drs_sums drs_sum(const struct drs_run *r, uint32_t *ret_hosts);
/* What they would be, had guest gone to host to; now: what they are. */
struct drs_sums drs_sum_after(
    const struct drs_run *r, const struct drs_sums *now, uint32_t guest, uint32_t to);
double drs_imbalance(const struct drs_sums *s, uint32_t hosts); /* of both together */
/* What a cluster this uneven is worth doing something about: 2 … 5, 6: nothing. */
uint32_t drs_priority(
    const struct drs_run *r, const struct drs_sums *s, uint32_t hosts);
/* Carry a move out in the plan, with its numbers before and after. */
struct drs_move *drs_take(struct drs_run *r, uint32_t guest, uint32_t to,
    uint32_t priority, enum drs_reason reason);
void drs_untake(struct drs_run *r); /* the last one of the plan */
