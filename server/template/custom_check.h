/*
 * custom_check: may a value of a customisation stand in a guest's settings?  Pure.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"

/* A line of authorized_keys without options: a type that is known, its key, a comment.
 */
int ssh_key_check(const char *line, size_t n, struct err *e) WARN_UNUSED;
