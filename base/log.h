/*
 * log: one logfmt line a fact, to stderr or a file.
 *
 *   log_notice("hosts", "host %s: %s -> %s", name, from, to);
 *   ts=2026-01-02T03:04:05.678Z lvl=notice mod=hosts msg="host h1: connected -> lost"
 *
 * err (act now), warn (odd, going on), notice (state of objects), info (per operation), debug.
 * Any thread. Control bytes and quotes in the message are escaped.
 */
#pragma once
#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level l);
int log_level_parse(const char *s, enum log_level *ret_l, struct err *e) WARN_UNUSED;
/* Append to path from now on (created 0640); call again on SIGHUP to reopen. NULL = stderr. */
int log_to_file(const char *path, struct err *e) WARN_UNUSED;
bool log_on(enum log_level l);
void log_write(enum log_level l, const char *mod, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_err(mod, ...)    log_write(LOG_LEVEL_ERR, mod, __VA_ARGS__)
#define log_warn(mod, ...)   log_write(LOG_LEVEL_WARN, mod, __VA_ARGS__)
#define log_notice(mod, ...) log_write(LOG_LEVEL_NOTICE, mod, __VA_ARGS__)
#define log_info(mod, ...)   log_write(LOG_LEVEL_INFO, mod, __VA_ARGS__)
#define log_debug(mod, ...)                                                            \
	(log_on(LOG_LEVEL_DEBUG) ? log_write(LOG_LEVEL_DEBUG, mod, __VA_ARGS__) : (void)0)
