/*
 * plan_tool: drover-plan, the scheduler run on a snapshot file.
 *
 * Exit codes: 0 done, 1 a guest found no host, 2 bad usage or input.
 */
#pragma once
#include <stdio.h>

enum plan_exit { PLAN_EXIT_OK = 0, PLAN_EXIT_NO_PLACE = 1, PLAN_EXIT_BAD = 2 };

/* argv as main gets it; answers go to out, complaints to err, "-" reads from in. */
int plan_tool_run(int argc, char **argv, FILE *in, FILE *out, FILE *err);
