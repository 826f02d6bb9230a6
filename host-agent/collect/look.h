/*
 * look: what this host and its guests have used until now, and what samples come of it
 * since the look before.
 *
 * Loop thread only.
 */
#pragma once
#include "host-agent/collect/col_host.h"
#include "proto/stats.pb-c.h"

struct guests;
struct look;
struct loop;

struct look_conf {
	struct loop *loop;
	struct guests *guests;
	struct col_share share;
	const char *root; /* as of col_host.h; borrowed */
};

struct look *look_new(const struct look_conf *c);
void look_free(struct look *k);
/* At everything.  NULL: it was the first look; else good until the next, without seq
 * and age. */
Drover__StatRound *look_take(struct look *k);
/* The same of these alone, numbers of guests or 0 for the host, without instances. */
Drover__StatRound *look_take_of(struct look *k, const uint64_t *ids, size_t n);
/* When the last one was; 0: there was none. */
uint64_t look_at_us(const struct look *k);
