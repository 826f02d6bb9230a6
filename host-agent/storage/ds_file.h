/*
 * ds_file: what is read of a datastore's files: pieces, checksums, what is there at
 * all, and which hosts have been there lately.
 *
 * Blocking; any thread.  Results are freed with protobuf-c's own free_unpacked.
 */
#pragma once
#include "host-agent/storage/datastore.h"

#define DS_BEATS         ".drover-beats"
#define DS_LEASES        ".drover" /* host-agent/fence/lease_place.h */
#define DS_SCAN_MAX      20000 /* files of one scan */
#define DS_BEATS_MAX     1000
#define DS_BEAT_STALE_MS 60000

/* ERR_TOO_LARGE over MAX_FILE_CHUNK; beyond the end there are no bytes. */
int ds_file_read(const struct datastore *ds, const Drover__FileRead *r,
    Drover__FileData **ret_d, struct err *e) WARN_UNUSED;
int ds_file_sum(const struct datastore *ds, const char *path,
    Drover__FileSumFacts **ret_s, struct err *e) WARN_UNUSED;
/* Bytes of all files that are users'.  ERR_NO_CAPACITY where there are more than
 * DS_SCAN_MAX, or some too far down to be seen. */
int ds_users_bytes(
    const struct datastore *ds, uint64_t *ret_bytes, struct err *e) WARN_UNUSED;
/* The files in vms/ and templates/. */
int ds_scan(
    const struct datastore *ds, Drover__ScanFacts **ret_s, struct err *e) WARN_UNUSED;

struct ds_beat {
	const char *host; /* its uuid */
	const char *boot; /* the agent's life */
	uint64_t wall_ms;
};

/* Who has not been there lately, by uuid. */
struct ds_stale {
	size_t n;
	char uuids[16][40];
};

/* Say that this host is there, and look who else is: one small file a host, whose times
 * are the file system's own. */
int ds_beat(const struct datastore *ds, const struct ds_beat *b,
    struct ds_stale *ret_stale, struct err *e) WARN_UNUSED;
