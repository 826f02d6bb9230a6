/*
 * un_user: who an image's program runs as, by its own /etc/passwd and /etc/group.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define UN_GROUPS_MAX 64u

struct un_user {
	uint32_t uid, gid;
	size_t n_groups;
	uint32_t groups[UN_GROUPS_MAX];
};

/* "name", "id", either with ":group" behind it; the files may be "".  Pure. */
int un_user_resolve(const char *user, const char *passwd, const char *group,
    struct un_user *ret_u, struct err *e) WARN_UNUSED;
/* The file below "upper" in the topmost of the layers that has it; "" if none does.
 * Caller frees. */
int un_user_file(const char *const *layers, size_t n, const char *path, char **ret_text,
    struct err *e) WARN_UNUSED;
