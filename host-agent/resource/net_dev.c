#include "host-agent/resource/net_dev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define COLUMNS     16
#define MAX_LINKS   65536u
#define IN_BYTES    0
#define IN_DROPPED  3
#define OUT_BYTES   8
#define OUT_DROPPED 11

bool
net_dev_parse(const char *line, struct net_dev *ret_d)
{
	const char *at = line + strspn(line, " "), *colon = strchr(at, ':');
	uint64_t v[COLUMNS];
	size_t n = colon ? (size_t)(colon - at) : 0;

	if (!n || n >= sizeof(ret_d->name))
		return false;
	at = colon + 1;
	for (size_t i = 0; i < COLUMNS; i++) {
		char *end;

		errno = 0;
		v[i] = strtoull(at, &end, 10);
		if (end == at || errno)
			return false;
		at = end;
	}
	*ret_d = (struct net_dev){ "", v[IN_BYTES], v[IN_DROPPED], v[OUT_BYTES],
		v[OUT_DROPPED] };
	memcpy(ret_d->name, colon - n, n);
	return true;
}

int
net_dev_read(const char *path, struct net_dev **ret_all, size_t *ret_n, struct err *e)
{
	FILE *f = fopen(path, "re");
	struct net_dev *all = NULL, d;
	size_t n = 0, has = 0;
	char line[512];

	if (!f)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	while (n < MAX_LINKS && fgets(line, sizeof(line), f)) {
		if (!net_dev_parse(line, &d))
			continue;
		if (n == has) {
			has = has ? 2 * has : 16;
			all = xrealloc(all, has * sizeof(*all));
		}
		all[n++] = d;
	}
	fclose(f);
	*ret_all = all;
	*ret_n = n;
	return 0;
}

const struct net_dev *
net_dev_find(const struct net_dev *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_same(all[i].name, name))
			return &all[i];
	}
	return NULL;
}
