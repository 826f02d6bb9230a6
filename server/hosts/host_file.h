/*
 * host_file: pieces of files to and from datastores, through a host that reaches them.
 *
 * The answer comes once, in a later posts phase. A datastore that no connected host
 * reaches is ERR_UNAVAILABLE; paths are below the datastore's root and checked by the
 * host. Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

struct hosts;

/* j is borrowed: {"path","size_bytes"} of a write, {"items":[…]} of a list, NULL of a
 * delete or a failure. */
typedef void (*host_file_fn)(void *arg, int rc, const struct err *e, json *j);

struct host_file_chunk {
	const char *path;
	uint64_t offset; /* 0 starts the file anew */
	const void *data;
	size_t n;  /* at most MAX_FILE_CHUNK */
	bool last; /* put it on disk for good */
};

/* data is copied before the call returns. */
void hosts_file_write(struct hosts *hs, obj_id datastore,
    const struct host_file_chunk *c, host_file_fn done, void *arg);
void hosts_file_list(
    struct hosts *hs, obj_id datastore, const char *path, host_file_fn done, void *arg);
void hosts_file_delete(
    struct hosts *hs, obj_id datastore, const char *path, host_file_fn done, void *arg);
