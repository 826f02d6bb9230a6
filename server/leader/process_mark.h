/*
 * process_mark: a text that names one process among all that a kernel ever runs: boot,
 * pid namespace, pid and start.
 *
 * A process of the same kernel and namespace can so be known to have ended, which no
 * silence proves.
 */
#pragma once
#include <stdbool.h>

#define PROCESS_MARK_TEXT 128

/* Of the calling process; "" where /proc does not tell. */
void process_mark_own(char out[PROCESS_MARK_TEXT]);
/* True only if it is certain that it does not run any more. */
bool process_mark_gone(const char *mark);
