/*
 * stat_total: what came together of a counter since its object was first heard of.
 *
 * For those who count for themselves (server/export): samples that came late are in it,
 * and nothing is lost between two looks.  It begins anew with the server.  Pure.
 */
#pragma once
#include <stdint.h>

#include "base/metric.h"

struct stat_totals;

struct stat_totals *stat_totals_new(void);
void stat_totals_free(struct stat_totals *t);
/*
 * v per second (of a percentage: of so many parts of a hundred) for so many
 * milliseconds.  Of counters that nobody adds up nothing is kept.
 */
void stat_totals_add(struct stat_totals *t, uint32_t counter, double v, uint32_t ms);
/* NaN: nothing was ever added. */
double stat_totals_get(const struct stat_totals *t, uint32_t counter);
