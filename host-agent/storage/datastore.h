/*
 * datastore: a folder of this host that holds disks and templates.
 *
 * Its root holds the file .drover-datastore with the datastore's uuid: a folder whose
 * mark is another one (a mount that is missing, say) is not reachable.  Calls block on
 * the file system: run them on a worker.  An attached datastore is constant, so that
 * any thread may use it while somebody holds a reference.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "proto/envelope.pb-c.h"

#define DATASTORE_MARK ".drover-datastore"

struct datastore;

/*
 * roots is the configured list of absolute folders, "a,b": the path must be one of them
 * or lie below one, with links resolved.  ERR_DENIED if not; ERR_UNAVAILABLE where the
 * datastore is not reachable, with the reason.
 */
int datastore_attach(const Drover__DatastoreSpec *spec, const char *roots,
    struct datastore **ret_ds, struct err *e) WARN_UNUSED;
struct datastore *datastore_ref(struct datastore *ds);
void datastore_unref(struct datastore *ds); /* NULL is fine */

uint64_t datastore_number(const struct datastore *ds);
const char *datastore_name(const struct datastore *ds);
const char *datastore_uuid(const struct datastore *ds);
const char *datastore_path(const struct datastore *ds);
int datastore_fd(const struct datastore *ds); /* root folder, borrowed */

struct datastore_room {
	uint64_t capacity_bytes;
	uint64_t free_bytes; /* for a guest's process, that is without root's reserve */
};

/* Is the mark still there, and how much room?  ERR_UNAVAILABLE with the reason if not.
 */
int datastore_look(const struct datastore *ds, struct datastore_room *ret_room,
    struct err *e) WARN_UNUSED;

/* ---- files; paths as of ds_path ---- */

/* ERR_DENIED for the mark and for what lies in vms/ and templates/: users may list
 * those, but neither write, delete nor import from them.  Pure. */
int datastore_path_is_users(const char *path, struct err *e) WARN_UNUSED;

struct datastore_written {
	uint64_t size_bytes; /* of the file, after it */
	bool misplaced;      /* nothing was written: pieces follow on what is there */
};

/* As FileWrite of proto/order.proto; folders on the way are made.  A piece that is
 * there already is done. */
int datastore_write(const struct datastore *ds, const Drover__FileWrite *w,
    struct datastore_written *ret_w, struct err *e) WARN_UNUSED;
/* Members of a folder ("" is the root), by name, at most DATASTORE_LIST_MAX; the mark
 * is left out. Free with drover__file_listing__free_unpacked. */
#define DATASTORE_LIST_MAX 10000
int datastore_list(const struct datastore *ds, const char *path,
    Drover__FileListing **ret_l, struct err *e) WARN_UNUSED;
/* A file or an empty folder; absent is fine. */
int datastore_delete(
    const struct datastore *ds, const char *path, struct err *e) WARN_UNUSED;

DEFINE_AUTO(datastore, struct datastore *, datastore_unref)
