/*
 * un_members: what lies where in a tar archive that is not packed, so that a few of its
 * members can be read out of order.
 */
#pragma once
#include "host-agent/storage/unpack/un_stream.h"

#define UN_MEMBERS_MAX 100000u
#define UN_JSON_MAX    (1u << 20)

struct un_member {
	char *name; /* without a leading "./" */
	char *link; /* where it leads, as a name in the archive; NULL: it is a file */
	struct un_span data;
};

struct un_members {
	struct un_member *v; /* by name */
	size_t n;
};

int un_members_read(
    const struct un_span *archive, struct un_members *ret_m, struct err *e) WARN_UNUSED;
void un_members_free(struct un_members *m);
/* The file of that name, or that a link of that name leads to.  ERR_NOT_FOUND. */
int un_member_find(const struct un_members *m, const char *name,
    struct un_span *ret_data, struct err *e) WARN_UNUSED;
/* All of it, at most UN_JSON_MAX; caller frees. */
int un_member_text(const struct un_span *data, const char *name, char **ret_text,
    struct err *e) WARN_UNUSED;
