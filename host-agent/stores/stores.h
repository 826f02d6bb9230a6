/*
 * stores: the datastores that this host was told to have, and the orders about their
 * files.
 *
 * The list is kept on disk, so that guests find their disks after a restart without the
 * server.  Everything that touches a datastore runs on workers of its own: a mount that
 * hangs holds up nothing else.  Loop thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host-agent/link/journal.h"
#include "host-agent/storage/datastore.h"
#include "host-agent/storage/disk.h"

#define MAX_STORES 256u

struct channel;
struct flows;
struct stores;

struct stores_ops {
	void (*reply)(void *arg, struct order_name name, Drover__Reply *r_take);
	void (*fail)(void *arg, struct order_name name, const struct err *e);
	/* A guest whose disks are on it, by name; NULL: nobody needs it. */
	const char *(*needed_by)(void *arg, uint64_t datastore);
	void (*changed)(void *arg); /* reachable or not, worth a report */
	void (*sampled)(void *arg); /* fresh figures of all */
	void *arg;
};

struct stores_conf {
	struct loop *loop;
	struct workers *workers; /* for datastores alone */
	struct workers *savers;  /* for the list */
	const char *path;        /* of the list; copied */
	const char *roots;       /* as of datastore_attach; copied */
	/* How this host signs its beats, borrowed; NULL: it leaves none. */
	const char *host_uuid, *boot_id;
	const struct disk_conf *disk; /* borrowed */
	struct progress *progress;    /* borrowed; NULL: nobody wants to know */
	/* To other hosts, borrowed; NULL: no image goes to or comes from them. */
	struct channel *channel;
	const char *const *channel_addresses; /* they may change */
	size_t n_channel_addresses;
	struct flows *flows; /* borrowed */
};

/* Blocks on the list only; the datastores in it are attached by workers. */
int stores_open(const struct stores_conf *c, const struct stores_ops *ops,
    struct stores **ret_s, struct err *e) WARN_UNUSED;
/* After the flows. Jobs that run keep what they use; free the workers after this. */
void stores_free(struct stores *s);

/* Handlers of inbox.h for every verb that is STORES' in verb.def. */
void stores_order(void *arg, struct order_name name, const Drover__Order *o);
void stores_cancel(void *arg, struct order_name name, const char *why);

/* What the server says this host should have: attaches what is missing. */
void stores_want(struct stores *s, Drover__DatastoreSpec *const *specs, size_t n);
/* Borrowed until the next loop turn. ERR_NOT_FOUND or ERR_UNAVAILABLE with the reason.
 */
int stores_get(struct stores *s, uint64_t datastore, struct datastore **ret_ds,
    struct err *e) WARN_UNUSED;
/* The newest figures; false while there are none. */
bool stores_room(
    const struct stores *s, uint64_t datastore, struct datastore_room *ret_room);
/* Look at all of them (again); ops.sampled when done. Nothing while a look is under
 * way. */
void stores_sample(struct stores *s);
/* One for each, malloc'd: free each with drover__datastore_status__free_unpacked. */
size_t stores_status(const struct stores *s, Drover__DatastoreStatus ***ret_st);
