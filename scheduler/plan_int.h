/*
 * plan_int: drover-plan's options, and what its commands do with them.
 */
#pragma once
#include <stdio.h>

#include "scheduler/plan_tool.h"
#include "scheduler/restart.h"
#include "scheduler/sched.h"

#define PLAN_MAX_NAMES 1000

/* Options, as bits of those that a command takes. */
#define PLAN_OPTION(code, name, value, most, text) PLAN_BIT_##code##_,

enum plan_bit {

#include "scheduler/plan_option.def"
	PLAN_BIT_COUNT_
};
#undef PLAN_OPTION
#define PLAN_OPTION(code, name, value, most, text) \
	PLAN_##code = 1u << PLAN_BIT_##code##_,

enum plan_option {

#include "scheduler/plan_option.def"
};
#undef PLAN_OPTION

struct plan_args {
	FILE *out, *err;
	const char *path;
	uint32_t given; /* of enum plan_option */
	const char *format, *cluster, *use;
	const char *guests[PLAN_MAX_NAMES], *hosts[PLAN_MAX_NAMES];
	size_t guest_count, host_count;
	double number[PLAN_BIT_COUNT_];
};

/* plan_view.c */
/* The same with a guest of --memory and --cpus, which is to be placed. */
int plan_view_with_guest(const struct plan_args *a, const struct sched_view *v,
    struct sched_view **ret_view, uint64_t *ret_id, struct err *e) WARN_UNUSED;
/* The same with what guests use by lines "name cpu …", parts of the largest host, as
 * hbal -U reads them; text is cut up. */
int plan_view_with_use(const struct sched_view *v, char *text, const char *what,
    struct sched_view **ret_view, struct err *e) WARN_UNUSED;

/* Each on a view that was read; an exit code, or a negative error. */
int plan_place(const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_check(const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_balance(const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_evacuate(const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_make_room(
    const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_power(const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_capacity(const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_admit(const struct plan_args *a, const struct sched_view *v, struct err *e);
int plan_restart(const struct plan_args *a, const struct sched_view *v, struct err *e);
