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

/* j is borrowed: {"path","size_bytes","misplaced"?} of a write (misplaced: nothing was
 * written, for the file has another size), {"items":[…]} of a list, NULL of a
 * delete or a failure. */
typedef void (*host_file_fn)(void *arg, int rc, const struct err *e, json *j);

struct host_file_chunk {
	const char *path;
	uint64_t offset; /* 0 starts the file anew */
	const void *data;
	size_t n;  /* at most MAX_FILE_CHUNK */
	bool last; /* put it on disk for good */
};

struct host_file_range {
	const char *path;
	uint64_t offset;
	uint32_t length; /* at most MAX_FILE_CHUNK */
};

/* data is copied before the call returns. */
void hosts_file_write(struct hosts *hs, obj_id datastore,
    const struct host_file_chunk *c, host_file_fn done, void *arg);

/* A piece of a file as it is now. */
struct host_file_data {
	const void *data;
	size_t n; /* 0 beyond the end */
	uint64_t size_bytes, modified_ms;
};

/* d is borrowed; NULL of a failure. */
typedef void (*host_data_fn)(
    void *arg, int rc, const struct err *e, const struct host_file_data *d);
void hosts_file_read(struct hosts *hs, obj_id datastore,
    const struct host_file_range *r, host_data_fn done, void *arg);
/* j: {"path","size_bytes","sha256"}.  It takes as long as reading the file. */
void hosts_file_sum(
    struct hosts *hs, obj_id datastore, const char *path, host_file_fn done, void *arg);
void hosts_file_list(
    struct hosts *hs, obj_id datastore, const char *path, host_file_fn done, void *arg);
void hosts_file_delete(
    struct hosts *hs, obj_id datastore, const char *path, host_file_fn done, void *arg);
