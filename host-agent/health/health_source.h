/*
 * health_source: where this host learns that its hardware is failing.
 *
 * Each source reads files and says what is wrong, or why there is nothing to read. They
 * block: they are for a worker thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HEALTH_CONDITIONS_MAX 32u
#define HEALTH_TEXT           160u
#define HEALTH_CONTROLLERS    64u

enum health_component {
	HEALTH_MEMORY,
	HEALTH_STORAGE,
	HEALTH_POWER,
	HEALTH_FAN,
	HEALTH_TEMPERATURE,
	HEALTH_COMPONENT_COUNT_
};

/* Moderate: a spare is used up, or errors are put right still.  Severe: it may fail at
 * any time. */
enum health_severity { HEALTH_MODERATE, HEALTH_SEVERE };

struct health_condition {
	const char *source;
	enum health_component component;
	enum health_severity severity;
	char text[HEALTH_TEXT];
};

/* More than the bound are not listed; the worst come first then. */
struct health_list {
	struct health_condition v[HEALTH_CONDITIONS_MAX];
	size_t n;
};

/* What was counted before, of one memory controller. */
struct edac_past {
	bool has_begun;
	uint64_t then, before; /* at the last turn, and at the one before that */
	uint64_t turned_ms;
};

struct health_view {
	const char *root;      /* "" but in tests: the folder that stands for "/" */
	const char *test_file; /* "": none */
	uint64_t now_ms;
	struct edac_past edac[HEALTH_CONTROLLERS];
};

struct health_source {
	const char *name;
	/* ERR_UNSUPPORTED or another: there is nothing to read, and e says why. */
	int (*read)(
	    struct health_view *v, struct health_list *out, struct err *e) WARN_UNUSED;
};

/* "edac", "md", "hwmon", "test". */
extern const struct health_source health_edac, health_md, health_hwmon, health_test;

void health_add(struct health_list *l, const char *source, enum health_component c,
    enum health_severity s, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
const char *health_component_name(enum health_component c);

/* ---- pure ---- */

/* So many corrected errors in half an hour to an hour are one too many. */
#define EDAC_MANY    10u
#define EDAC_TURN_MS 1800000u
/* How many came within the last half hour, or up to an hour. */
uint64_t edac_growth(struct edac_past *p, uint64_t count, uint64_t now_ms);
/* Lines of "component severity text", empty ones and those that begin with # apart. */
int health_test_parse(
    const char *text, struct health_list *out, struct err *e) WARN_UNUSED;
