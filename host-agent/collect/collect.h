/*
 * collect: how this host is, every few seconds and at once when something changed.
 *
 * Samples go on while the server is away: stalled guests wait for room on their
 * datastores. Loop thread only.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/collect/col_host.h"
#include "proto/report.pb-c.h"

#define COLLECT_MIN_MS 200u
#define COLLECT_MAX_MS 60000u
/* Changes closer together than this share a report. */
#define COLLECT_GAP_MS 100u
/* How often it is looked whether memory is short. */
#define COLLECT_MEMORY_MS 1000u

struct collect;
struct guests;
struct health;
struct loop;
struct stores;

struct collect_conf {
	struct loop *loop;
	struct guests *guests;
	struct stores *stores;
	const struct health *health;
	struct col_share share;
	const char *root; /* as of col_host.h; borrowed */
	uint32_t report_ms;
	/* A report to send: fill in what only the link knows. */
	void (*report)(void *arg, Drover__Report *r);
	bool (*wanted)(void *arg); /* is there anybody to send it to? */
	void *arg;
};

struct collect *collect_new(const struct collect_conf *c);
void collect_free(struct collect *k);
void collect_start(struct collect *k);
void collect_set_interval(struct collect *k, uint32_t report_ms);
/* Something changed: report soon. */
void collect_changed(struct collect *k);
