/*
 * instances: what cores, cards and disks of this host and its guests had used at the
 * last look, and what samples come of the next one.
 */
#pragma once
#include "host-agent/resource/figures.h"
#include "proto/stats.pb-c.h"

struct instances;

struct instances *instances_new(void);
void instances_free(struct instances *s);
/* A look begins: what was not seen at the last one is forgotten. */
void instances_begin(struct instances *s);
/* Of a guest, or of the host, which is 0.  Beyond METRIC_INSTANCES_MAX of one, and
 * MAX_INSTANCES_PER_HOST in all, they are passed over. */
void instances_look(
    struct instances *s, uint64_t object, const char *name, const struct figures *is);
/* What came of the look; r borrows it until the next one begins. */
void instances_fill(const struct instances *s, Drover__StatRound *r);

/* Samples as they travel, malloc'd. */
void stat_set_fill(Drover__StatSet *set, const struct sample *v, size_t n);
