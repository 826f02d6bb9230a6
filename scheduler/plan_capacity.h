/*
 * plan_capacity: drover-plan capacity: how many more guests of one size fit.
 */
#pragma once
#include <stdio.h>

#include "scheduler/capacity.h"

/* An exit code of plan_tool. */
int plan_capacity_run(const struct capacity_ask *ask, const char *text, size_t n,
    const char *what, FILE *out, FILE *err);
