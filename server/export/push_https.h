/*
 * push_https: requests to a collector behind TLS, one at a time.
 *
 * libcurl sends each on a worker of its own.  Core thread.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"

struct loop;
struct push_https;

struct push_https_opts {
	const char *url;
	const char *token;   /* InfluxDB's, or "" */
	const char *ca_file; /* who may sign its certificate; "": the system's */
};

/* All copied. */
struct push_https *push_https_new(struct loop *l, const struct push_https_opts *o);
/* Cuts what is under way: nobody hears of it any more. */
void push_https_free(struct push_https *h);

/* status: HTTP's; 0: there was no answer, and why says so. */
typedef void (*push_https_fn)(void *arg, long status, const char *why);
/*
 * POST n bytes of text, which stay as they are until done comes, once, in a later posts
 * phase.  None is under way.
 */
int push_https_send(struct push_https *h, const char *text, size_t n,
    push_https_fn done, void *arg, struct err *e) WARN_UNUSED;
