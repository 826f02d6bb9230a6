/*
 * https: one POST over TLS 1.3 to a server that is known by its CA's fingerprint.
 *
 * Blocking, with a deadline over all of it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct str;

struct https_post {
	const char *host;
	uint16_t port;
	const char *ca_fingerprint; /* 64 hex digits, lower-case */
	const char *path;
	const char *body; /* JSON */
	uint32_t timeout_ms;
};

struct https_reply {
	int status;
	struct str *body;
};

/* ret_ca_pem (malloc'd): the CA that the fingerprint named. r->body is the caller's. */
int https_post(const struct https_post *p, struct https_reply *r, char **ret_ca_pem,
    struct err *e) WARN_UNUSED;

/*
 * A whole HTTP/1.1 answer: status, and the body as Content-Length, chunked coding or
 * the connection's end bounds it.  Pure.
 */
int https_parse_reply(
    const char *p, size_t n, struct https_reply *r, struct err *e) WARN_UNUSED;
