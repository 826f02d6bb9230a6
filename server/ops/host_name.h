/*
 * host_name: may a text be a host's name, or a part of one?  Pure.
 */
#pragma once
#include "base/err.h"

/* One label of a host name: letters, digits and inner hyphens, at most 63. */
int host_label_check(const char *s, struct err *e) WARN_UNUSED;
/* Labels with dots between, at most 253 bytes. */
int domain_check(const char *s, struct err *e) WARN_UNUSED;
