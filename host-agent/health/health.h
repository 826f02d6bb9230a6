/*
 * health: whether this host's hardware is about to fail, as its sources say.
 *
 * Files are read by a thread of its own, since a sensor may take its time, and disks
 * are asked by child processes; neither holds up anything else.  Loop thread only.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "proto/report.pb-c.h"

struct health;
struct loop;

#define HEALTH_MIN_MS  200u
#define HEALTH_MAX_MS  3600000u
#define HEALTH_SOURCES "edac,md,hwmon,smart"

struct health_conf {
	struct loop *loop;
	const char *root;      /* "" but in tests; borrowed, as all of these */
	const char *sources;   /* list of those of HEALTH_SOURCES to be asked */
	const char *test_file; /* "": none */
	const char *smartctl;  /* the program */
	uint32_t interval_ms;
	uint32_t disk_limit_ms; /* for one disk; 0: 20 s */
	void (*changed)(void *arg);
	void *arg;
};

/* Names one that there is not. */
int health_sources_check(const char *asked, struct err *e) WARN_UNUSED;
struct health *health_new(const struct health_conf *c);
/* Waits for a file that is being read. */
void health_free(struct health *h);
void health_start(struct health *h);
/* As reports have it, for the caller to free; NULL: nothing was read yet. */
Drover__HostHealth *health_status(const struct health *h);
