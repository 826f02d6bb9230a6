/*
 * custom_check: may a value of a customisation stand in a guest's settings?  Pure.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"

/* One label of a host name: letters, digits and inner hyphens, at most 63. */
int host_label_check(const char *s, struct err *e) WARN_UNUSED;
/* Labels with dots between, at most 253 bytes. */
int domain_check(const char *s, struct err *e) WARN_UNUSED;
/* A line of authorized_keys without options: a type that is known, its key, a comment.
 */
int ssh_key_check(const char *line, size_t n, struct err *e) WARN_UNUSED;
