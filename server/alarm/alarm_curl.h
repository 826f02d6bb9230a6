/*
 * alarm_curl: webhooks and mails.
 *
 * These block, until an answer, the deadline or *stop: for workers.  ERR_TIMEOUT,
 * ERR_LOST: it may be tried again; any other: not.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct alarm_line {
	uint32_t deadline_ms;
	const char *ca_file; /* NULL: the system's */
	const atomic_bool *stop;
};

struct alarm_hook {
	const char *url, *body, *delivery;
	const char *signature; /* NULL: it has none */
};

int alarm_curl_hook(
    const struct alarm_line *l, const struct alarm_hook *h, struct err *e) WARN_UNUSED;

struct alarm_mail {
	const char *url, *from;
	const char *user, *password_file; /* NULL: without a login */
	const json *to;
	const char *message;
};

int alarm_curl_mail(
    const struct alarm_line *l, const struct alarm_mail *m, struct err *e) WARN_UNUSED;

/* Once a process, before the first and after the last. */
void alarm_curl_init(void);
void alarm_curl_fini(void);
