/*
 * drs_breach: tells when rules come to be broken, and when they are kept again.
 */
#pragma once
#include "server/drs/drs_decide.h"

struct map;

/* broken: ids of the rules that were, the last time; kept up by this. */
void drs_breach_tell(struct inv *inv, struct map *broken, const struct drs_view *v,
    const struct drs_plan *p);
/* Rules that are gone, or do not count any more, are not broken either. */
void drs_breach_forget(const struct inv *inv, struct map *broken);
