/*
 * ha_play: a server's HA over invented hosts that beat, fall silent and come back, for
 * tests.
 */
#pragma once
#include "server/ha/ha.h"
#include "tests/lib/lab.h"

struct ha_play {
	struct lab *l;
	struct ha *ha;
	bool silent[LAB_MAX_HOSTS]; /* sends no beats */
	bool still[LAB_MAX_HOSTS];  /* writes no blocks */
	bool isolated[LAB_MAX_HOSTS];
	bool blind; /* nobody reads the others' blocks */
	uint64_t still_since_ms[LAB_MAX_HOSTS];
};

/* A cluster with HA whose hosts have joined. */
struct ha_play *hp_new(unsigned n_hosts);
void hp_free(struct ha_play *p);
/* Another server leads, on the same database; who is to be heard dials again. */
void hp_crash(struct ha_play *p);
void hp_second(struct ha_play *p);
void hp_seconds(struct ha_play *p, unsigned n);
void hp_set(struct ha_play *p, const char *args); /* of the cluster */

const struct host *hp_row(const struct ha_play *p, unsigned i);
unsigned hp_host_of(const struct ha_play *p, obj_id vm);
Drover__GuestState hp_state(const struct ha_play *p, unsigned host, obj_id vm);
/* All of it: its guests, too. */
void hp_kill(struct ha_play *p, unsigned i);
void hp_revive(struct ha_play *p, unsigned i);

/* Runs on exactly one host, which is where the inventory has it. */
void hp_assert_once(const struct ha_play *p, obj_id vm);
bool hp_has_event(const struct ha_play *p, const char *type, const char *part);
unsigned hp_tasks(const struct ha_play *p, const char *op);
unsigned hp_restarts(const struct ha_play *p);
