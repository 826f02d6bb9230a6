/*
 * drs_run: a scenario's text as a balancing run, for tests of the balancer's parts.
 */
#pragma once
#include "scheduler/bal_view.h"

struct drs_run {
	struct bal bal; /* bal_init()ed */
	struct sched_view *view;
	struct bal_view x;
	struct arena *arena;
};

/* Fails the test if the text is refused. */
void drs_run_init(struct drs_run *r, const char *text);
void drs_run_fini(struct drs_run *r);
