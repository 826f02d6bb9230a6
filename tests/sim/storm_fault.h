/*
 * storm_fault: schedules of faults, drawn from a seed or cut down by the shrinker.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORM_MAX_FAULTS 40u

struct storm;

enum storm_fault_kind {

#define FAULT(id, name, text) FAULT_##id,
#include "tests/sim/fault.def"
#undef FAULT
	FAULTS_
};

struct storm_fault {
	enum storm_fault_kind kind;
	uint64_t at_ms, for_ms; /* true time */
	uint32_t a, b;
	uint32_t x;
};

struct storm_schedule {
	struct storm_fault list[STORM_MAX_FAULTS];
	size_t n;
};

/* How many of each are in force, by node; x of the latest. */
struct storm_faults {
	uint8_t n[FAULTS_][8];
	uint32_t x[FAULTS_][8];
	uint8_t cut[8][8];
	uint8_t all[FAULTS_];
};

void schedule_draw(struct storm *w, struct storm_schedule *ret);
uint64_t schedule_end_ms(const struct storm_schedule *s);
/* Nothing in it touches a host, its storage or its guests (I3). */
bool schedule_is_managers(const struct storm_schedule *s);
void schedule_print(const struct storm_schedule *s);

void fault_begin(struct storm *w, const struct storm_fault *f);
void fault_end(struct storm *w, const struct storm_fault *f);
bool fault_on(const struct storm *w, enum storm_fault_kind k, uint32_t node);
