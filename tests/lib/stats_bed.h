/*
 * stats_bed: statistics of a host and a guest, on a clock that the test turns.
 */
#pragma once
#include <sched.h>
#include <stdbool.h>

#include "base/id.h"
#include "tests/lib/inv_world.h"

#define STEP_MS     20000u
#define WRITE_S     60u
#define DEADLINE_MS 10000u

struct events;
struct stats;

struct bed {
	struct world *w;
	struct events *events;
	struct stats *stats;
	char dir[64];
	obj_id host, vm;
};

int bed_setup(void **state);
int bed_teardown(void **state);
/* Once more, after stats_free. */
void bed_open(struct bed *b);
/* Another guest of the host. */
obj_id bed_add_vm(struct bed *b, const char *name);
uint64_t bed_now_s(const struct bed *b);
/* Until is says so: workers live in real time. */
void bed_turn_until(struct bed *b, bool (*is)(struct bed *b, void *arg), void *arg);
/* To the next moment at which samples are due, and a little more. */
void bed_go_to_slot(struct bed *b);
