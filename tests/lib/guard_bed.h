/*
 * guard_bed: a guest under a guard of its own, for tests; the guard is GUARD_PROGRAM.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host-agent/fence/guard_client.h"
#include "tests/lib/agent_bed.h"
#include "tests/lib/disk_bed.h"

#define SOON_US  UINT64_C(100000)
#define LATER_US UINT64_C(60000000)

/* Whoever is in the guest holds the pipe's other end: its end of file proves that not
 * one process is left. */
struct guarded {
	struct bed *bed;
	struct guard_client *client;
	struct guard_state state;
	unsigned changes;
	int witness;
	bool done;
	struct disk_bed disk; /* where one is mounted */
};

/* What a test's guard has been told and must take. */
struct guarded_order {
	struct guarded *guest;
	uint64_t deadline_us;
};

/* For cmocka: a bed without a guest; nobody is left at its end. */
int guarded_setup(void **state);
int guarded_teardown(void **state);

uint64_t guarded_in_us(uint64_t us); /* by the clock of guards */
/* To be changed and given to guarded_start_opts(); argv is borrowed. */
struct guard_opts guarded_opts(
    struct guarded *g, uint64_t deadline_us, const char *const *argv);
/* Descriptor 3 of the guest is the witness's. */
void guarded_start_opts(struct guarded *g, struct guard_opts *o);
/* A script of sh, until its guard has told of it. */
void guarded_start(struct guarded *g, uint64_t deadline_us, const char *script);
/* The same, until the script has made the file "ready" in the bed's folder. */
void guarded_start_ready(struct guarded *g, uint64_t deadline_us, const char *script);
void guarded_arm(struct guarded *g, uint64_t deadline_us); /* until the guard has it */
void guarded_on_change(void *guest, const struct guard_state *s);

/* For bed_until(), of a guest. */
bool guarded_is_told(void *guest);
bool guarded_is_over(void *guest);
bool guarded_none_left(void *guest);
bool guarded_is_taken(void *order); /* of a struct guarded_order */

/* A file of the kernel's, "" if there is none. */
const char *guarded_peek(const char *path, char buf[1024]);
pid_t guarded_guard(const struct guarded *g);
