/*
 * net_dev: what went through the links of this network namespace, as the kernel counts
 * it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct net_dev {
	char name[16];
	uint64_t in_bytes, in_dropped;
	uint64_t out_bytes, out_dropped;
};

/* A line of /proc/net/dev.  False: it is a head line, or broken.  Pure. */
bool net_dev_parse(const char *line, struct net_dev *ret_d);
/* All links of the file, malloc'd. */
int net_dev_read(const char *path, struct net_dev **ret_all, size_t *ret_n,
    struct err *e) WARN_UNUSED;
/* NULL: there is none of that name. */
const struct net_dev *net_dev_find(
    const struct net_dev *all, size_t n, const char *name);
