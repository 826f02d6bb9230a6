/*
 * agent_bed: a loop, workers and a temporary folder, for tests of the agent's modules.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "loop/worker.h"
#include "proto/envelope.pb-c.h"

struct bed {
	struct clock *clock; /* virtual */
	struct loop *loop;
	struct workers *workers;
	char dir[64];
};

struct bed *bed_new(void);
void bed_free(struct bed *b); /* the folder goes with it */
/* Workers and loop anew on the same folder, as after a crash. */
void bed_restart(struct bed *b);
/* DIR/name; good until the fourth next call. */
const char *bed_path(const struct bed *b, const char *name);
/* Turn the loop until cond(arg); fails the test after ten seconds of real time. */
void bed_until(struct bed *b, bool (*cond)(void *arg), void *arg);
/* The same for a counter that is to reach n. */
void bed_until_count(struct bed *b, const unsigned *count, unsigned n);
/* Turn until nothing is left to do at this point of the clock. */
void bed_settle(struct bed *b);

/* The whole of a file, malloc'd. */
uint8_t *bed_read(const char *path, size_t *ret_n);
void bed_write(const char *path, const void *p, size_t n);
bool bed_exists(const char *path);

/* A sim guest fit to be run: vm-N, "gN". Free with drover__guest_spec__free_unpacked.
 */
Drover__GuestSpec *bed_spec(uint64_t guest);
