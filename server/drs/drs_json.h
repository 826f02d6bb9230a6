/*
 * drs_json: a plan as the API shows it and as it is kept.
 */
#pragma once
#include "base/json.h"
#include "server/drs/drs_decide.h"

/* Loads before and after, rules checked, alternatives, cost and benefit. */
json *drs_factors(const struct drs_view *v, const struct drs_move *m);
/* The numbers that the factors come from. */
json *drs_inputs(const struct drs_view *v, const struct drs_move *m);
/* One line: what and why.  Caller frees. */
char *drs_move_name(const struct drs_view *v, const struct drs_move *m);
char *drs_move_text(const struct drs_view *v, const struct drs_move *m);
/* The same of a host that had better sleep, or wake. */
json *drs_power_inputs(const struct drs_view *v, const struct drs_power *p);
char *drs_power_name(const struct drs_view *v, const struct drs_power *p);
const char *drs_power_reason(const struct drs_power *p); /* "powerSaving" */
/* {"imbalance", "imbalance_after", "uneven", "items", "blockers"} */
json *drs_plan_json(const struct drs_view *v, const struct drs_plan *p);
