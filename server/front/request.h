/*
 * request: what travels between the front's thread and the core: one HTTP request, its
 * answer.
 *
 * Each is owned by exactly one side at a time; handing it over hands over all of it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OTHER };

struct query_arg {
	char *name;
	char *value;
};

struct request {
	uint64_t conn; /* names the transaction for the answer */
	enum http_method method;
	const char *fault;      /* why it is refused unseen, a literal, or NULL */
	char *path;             /* decoded, without the query */
	struct query_arg *args; /* decoded */
	size_t n_args;
	char *authorization, *cookie, *csrf, *op_id, *origin, *host, *content_type;
	char *accept, *accept_encoding;
	char *if_match; /* If-Match, or If-Range */
	char peer[64];  /* address, no port */
	char id[24];    /* "r-…", in the answer, the log and the audit */
	uint8_t *body;
	size_t body_len;
	uint64_t received_us; /* mono */
};

#define RESPONSE_HEADERS_MAX 4

struct response_header {
	const char *name; /* a literal, "etag:" */
	char *value;
};

struct response {
	uint64_t conn;
	int status;
	const char *content_type; /* a literal */
	char *set_cookie;         /* value of Set-Cookie, or NULL */
	uint32_t retry_after_s;   /* 0: no header */
	struct response_header headers[RESPONSE_HEADERS_MAX];
	size_t n_headers;
	uint8_t *body;
	size_t body_len;
	bool in_pieces; /* more comes by front_reply_more; body is the first, or NULL */
	char request_id[24];
};

struct request *request_new(void);
void request_free(struct request *r);
/* Value of a query argument, NULL if it was not given. */
const char *request_arg(const struct request *r, const char *name);
/* Add one "name=value" that is already decoded. */
void request_add_arg(struct request *r, const char *text);

/* An answer to r; body_take is malloc'd text or NULL. */
struct response *response_new(
    const struct request *r, int status, const char *type, char *body_take, size_t len);
void response_free(struct response *p);
/* One more header; there is room for RESPONSE_HEADERS_MAX. */
void response_add_header(struct response *p, const char *name, char *value_take);

DEFINE_AUTO(request, struct request *, request_free)
