/*
 * sim_suite: the scripts that invented guests follow.
 */
#pragma once

/* Runs all of it; the number of tests that failed. */
int sim_suite_run(void);
