/*
 * err: what went wrong, once, where it was seen.
 *
 * A fallible call returns 0 or a negative enum err_code and fills the caller's
 * struct err (on the stack; no malloc).  The message names the thing and the reason,
 * is one line of UTF-8, and is fit to be shown to a user.  err may be NULL.
 */
#pragma once
#include <stdint.h>

#define WARN_UNUSED __attribute__((warn_unused_result))

enum err_code {
	ERR_OK = 0,
	ERR_FIRST_ = -100, /* codes grow downwards from here so that none is -1 */
#define ERR(code, name, http, exit) ERR_##code,
#include "base/err.def"
#undef ERR
	ERR_LAST_
};

struct err {
	int code; /* enum err_code, 0 while nothing went wrong */
	int sys;  /* errno where one was at hand, else 0 */
	char msg[240];
};

#define ERR_INIT                                                                       \
	{                                                                              \
		0, 0, ""                                                               \
	}

/* Record a failure; returns code, so that callers write return err_set(e, …). */
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with errno's text appended after ": ". */
int err_sys(struct err *e, int code, int sys, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "context: " before the message on the way up; keeps and returns e->code. */
int err_wrap(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Forget an earlier failure. */
void err_clear(struct err *e);

/* "not_found" for ERR_NOT_FOUND; "internal" for a number that is no code. */
const char *err_name(int code);
/* The code of a name; ERR_INTERNAL for a name that is none. */
int err_from_name(const char *name);
int err_http(int code);
int err_exit(int code);
