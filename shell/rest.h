/*
 * rest: the server's interface (docs/api.md) for the cmdlets.
 *
 * Every change carries an X-Drover-Op of its own and is sent again with the same one
 * while the server is away (up to RETRY_MS), so that it happens once.
 */
#pragma once
#include "base/json.h"
#include "shell/shell.h"

#define RETRY_MS  60000u
#define MAX_PIECE (1u << 20) /* of an upload */

/* One object, or whatever path answers. */
int rest_get(
    struct shell *sh, const char *path, json **ret_j, struct err *e) WARN_UNUSED;
/* One page of a list after the other, as they come; false: no more is wanted.  path may
 * have a query. */
typedef bool (*rest_page_fn)(void *arg, const json *items);
int rest_pages(struct shell *sh, const char *path, rest_page_fn take, void *arg,
    struct err *e) WARN_UNUSED;
/* All pages at once. */
int rest_list(
    struct shell *sh, const char *path, json **ret_items, struct err *e) WARN_UNUSED;
/* method is POST, PATCH or DELETE; body (borrowed) may be NULL. */
int rest_change(struct shell *sh, const char *method, const char *path,
    const json *body, json **ret_j, struct err *e) WARN_UNUSED;
/* POST without an account: logging in. */
int rest_login(
    struct shell *sh, const json *body, json **ret_j, struct err *e) WARN_UNUSED;

struct piece {
	const char *datastore; /* id */
	const char *path;      /* in the datastore */
	uint64_t offset;
	bool last;
	const void *data;
	size_t n;
};

int rest_upload(struct shell *sh, const struct piece *p, struct err *e) WARN_UNUSED;
/* What path answers, as it is. */
int rest_download(struct shell *sh, const char *path, struct str *ret_body,
    struct err *e) WARN_UNUSED;

/* A piece of a tar into a guest or out of it. */
struct guest_piece {
	const char *vm, *path; /* its id; where inside */
	uint64_t transfer; /* 0: the first piece; filled in by it, 0: it was the last */
	uint64_t offset;
	bool last;
	const void *data;
	size_t n;
};

int rest_guest_put(struct shell *sh, struct guest_piece *p, struct err *e) WARN_UNUSED;
int rest_guest_get(struct shell *sh, struct guest_piece *p, struct str *ret_body,
    struct err *e) WARN_UNUSED;

/* s as part of a query or path, %XX where needed. */
void url_add(struct str *b, const char *s);
