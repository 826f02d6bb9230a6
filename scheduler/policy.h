/*
 * policy: what an unevenness is worth doing something about, and what a move costs and
 * brings.
 *
 * The formulae of docs/drs.md, once, for the scheduler's calls and for the server's
 * DRS, which keeps books of its own (ADR 38).  Pure; loads are demand by capacity.
 */
#pragma once
#include <stdint.h>

#define POLICY_NOTHING     6u  /* priority of what is not worth anything */
#define POLICY_OVERRIDES   0.2 /* so much evenness is worth any cost */
#define POLICY_MAX_REFUSED 64u /* changes that were looked at and not worth it */

/* Of the loads whose sum and sum of squares these are. */
double policy_deviation(double sum, double squares, uint32_t n);
/* 2 … 5, or POLICY_NOTHING: of the larger deviation over n hosts, and of the widest gap
 * between two of them, which counts where it is the more urgent. */
uint32_t policy_priority(double deviation, uint32_t n);
uint32_t policy_priority_of_gap(double gap);
/* Load from which on guests may have to wait. */
double policy_knee(uint32_t threshold);
/* What a step has to lower both deviations by, together. */
double policy_least_gain(uint32_t threshold, uint32_t hosts);

struct policy_host {
	double cpu, mem; /* that its guests want now, MHz and MB */
	double peak;     /* and may want within an hour */
	double cpu_cap, mem_cap, core_mhz;
};

struct policy_guest {
	double cpu, mem, peak;
	double dirty_mb_s; /* that it rewrites */
	double stable_s;   /* so long its demand stays what it is */
};

struct policy_move {
	struct policy_host from, to;
	struct policy_guest guest;
	double link_mb_s, knee;
};

/* In MHz times seconds. */
struct policy_worth {
	double copy_s, stop_s, cost, benefit;
	double worst; /* what it brings if all want what they may want */
	double risk;  /* that, if it is a loss; else 0 */
	double net;
};

struct policy_worth policy_worth_of(const struct policy_move *m);
