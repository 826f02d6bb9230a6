/*
 * http: one HTTPS/1.1 connection to one server, kept open between calls; blocking.
 *
 * The server's certificate is checked against the CA given (the system's if none).  An
 * interrupted call (shell_interrupted) fails with ERR_CANCELLED.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct http;

struct http_conf {
	const char *host, *port;
	const char *ca_file; /* PEM, or NULL */
	const char *ca_pem;  /* the same as text, or NULL */
};

struct http_request {
	const char *method, *path;
	const char *bearer, *op_id, *content_type; /* NULL: no such header */
	const void *body;
	size_t body_len;
};

struct http_reply {
	int status;
	unsigned retry_after_s;
	uint64_t transfer; /* X-Drover-Transfer, 0: none */
	struct str body;
};

struct http *http_new(const struct http_conf *conf, struct err *e);
void http_free(struct http *h);

/*
 * One call.  ERR_UNAVAILABLE: no connection came about, nothing was sent.  ERR_LOST: it
 * broke on the way, the server may have done what was asked.  ERR_UNAUTHENTICATED: the
 * server's certificate is not to be trusted.
 */
int http_call(struct http *h, const struct http_request *q, struct http_reply *ret_r,
    struct err *e) WARN_UNUSED;

/* "5f:0c:…": SHA-256 of the topmost certificate that the server sends, where the system's
 * CAs do not vouch for it; "" where they do.  Nothing is believed by that. */
#define CA_PRINT 96
int http_ask_ca(const struct http_conf *conf, char ret_print[CA_PRINT],
    struct err *e) WARN_UNUSED;
/* Fetch the CA certificate with the SHA-256 fingerprint from the server's chain, as
 * PEM. */
int http_fetch_ca(const struct http_conf *conf, const char *fingerprint, char **ret_pem,
    struct err *e) WARN_UNUSED;

DEFINE_AUTO(http, struct http *, http_free)
