/*
 * alarm_eval: what samples, states and events make of an alarm's conditions.
 *
 * Pure.  A definition's conditions are constant; what one object has come to under each
 * of them is a struct alarm_state, which begins as zeroes: nothing is known.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/inventory/inv_obj.h"

struct field;

enum alarm_cond_type { ALARM_COUNTER, ALARM_STATE, ALARM_EVENT };

/* Where a counter's value goes too far, and from where on it has come back. */
struct alarm_limit {
	bool set;
	float raise, clear;
};

struct alarm_event {
	char *type; /* "VmDiedEvent" */
	enum alarm_status status;
};

struct alarm_cond {
	enum alarm_cond_type type;
	uint32_t for_s; /* it has to hold for so long */
	/* A counter's value, or its share in another one's in percent. */
	uint32_t counter, of; /* of 0: the value itself */
	bool below;           /* too little is meant, not too much */
	struct alarm_limit yellow, red;
	/* A state: a property that has one of the values, or none of them. */
	const struct field *field;
	char **values;
	size_t n_values;
	bool is_not;
	enum alarm_status status;
	/* Events, the newest of which counts. */
	struct alarm_event *events;
	size_t n_events;
};

struct alarm_conds {
	enum alarm_match match;
	struct alarm_cond *v;
	size_t n;
};

struct alarm_state {
	enum alarm_status level;
	bool yellow, red;             /* of a counter: beyond, for long enough */
	uint32_t yellow_s, red_s;     /* beyond without a break */
	uint64_t slot;                /* of its newest sample; 0: there was none */
	uint64_t since_ms;            /* of a state: it holds since; 0: it does not */
	float value;                  /* of its newest sample */
	const struct alarm_event *by; /* of events: the newest */
};

/* So many slots without a sample break what has to last. */
#define ALARM_GAP_SLOTS 3u
/* After so long without a sample nothing is known, though it be fewer slots. */
#define ALARM_GAP_S 120u
/* Samples that much older than the newest are of a clock that was set back. */
#define ALARM_BACK_S 3600u

/* A sample of step_s, which ends with slot.  NaN is none, and an older one than the
 * newest is passed over. */
void alarm_eval_sample(const struct alarm_cond *c, struct alarm_state *s, uint64_t slot,
    uint32_t step_s, float v);
/* Whether it is long since the newest sample: then nothing is known any more. */
void alarm_eval_gap(
    const struct alarm_cond *c, struct alarm_state *s, uint64_t now, uint32_t step_s);
/* What it measures cannot be measured: a guest that is off. */
void alarm_eval_unknown(struct alarm_state *s);
/* The property's value now; to be asked again while alarm_eval_waits. */
void alarm_eval_state(const struct alarm_cond *c, struct alarm_state *s,
    const char *value, uint64_t now_ms);
/* A state holds, but not yet for long enough. */
bool alarm_eval_waits(const struct alarm_cond *c, const struct alarm_state *s);
/* False: the condition does not name it. */
bool alarm_eval_event(
    const struct alarm_cond *c, struct alarm_state *s, const char *type);
/* Somebody has set the alarm back: counters begin anew, events never were. */
void alarm_eval_reset(const struct alarm_cond *c, struct alarm_state *s);

/* All of them together; s has c->n. */
enum alarm_status alarm_eval(const struct alarm_conds *c, const struct alarm_state *s);
/* The one whose level that is, for telling why. */
size_t alarm_eval_cause(
    const struct alarm_conds *c, const struct alarm_state *s, enum alarm_status level);
