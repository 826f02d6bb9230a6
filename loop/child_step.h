/*
 * child_step: what a forked process does on the way to its program, for child_exec and
 * for programs of ours that start another.
 *
 * Async-signal-safe, and with nothing but the C library beneath.  -1: errno says why.
 */
#pragma once
#include <stdint.h>

/* Every signal as it was before anybody handled or blocked it. */
void child_step_signals(void);
/* Go into the control group of that cgroup.procs or tasks file. */
int child_step_cgroup(const char *procs_path);
/* Become that user for good: no groups, no capabilities, none to be gained.  0 stays
 * what we are; both 0: nothing is dropped at all. */
int child_step_drop(uint32_t uid, uint32_t gid);
/* execve's arguments lack the const that it keeps. */
char *const *child_step_words(const char *const *words);
