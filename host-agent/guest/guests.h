/*
 * guests: the guests of this host: their book, their jobs, and what they report.
 *
 * Orders come in by guests_order and end by ops.reply or ops.fail; what nobody ordered
 * goes out by ops.event.  One job at a time a guest: another order meanwhile ends with
 * BUSY. Loop thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host-agent/engine/engine.h"
#include "host-agent/guest/guest_state.h"
#include "host-agent/link/journal.h"
#include "host-agent/resource/pressure.h"
#include "host-agent/storage/disk.h"

struct cg;
struct channel;
struct fence;
struct disk_io;
struct figures;
struct flows;
struct guests;
struct net_dev;
struct nl;
struct progress;
struct stores;
struct workers;

struct guests_ops {
	void (*reply)(void *arg, struct order_name name, Drover__Reply *r_take);
	void (*fail)(void *arg, struct order_name name, const struct err *e);
	void (*event)(
	    void *arg, const Drover__GuestEvent *ev); /* without id and time */
	void (*changed)(void *arg);                   /* worth a report at once */
	void *arg;
};

/* Everything in it is borrowed and outlives the guests. */
struct guests_env {
	struct loop *loop;
	struct flows *flows;
	struct workers *savers;   /* for the book */
	struct workers *blockers; /* for what touches datastores */
	struct stores *stores;
	struct engine *const *engines;
	size_t n_engines;
	struct cg *cg;           /* NULL: this host has no usable control groups */
	struct nl *nl;           /* NULL: no wires can be made */
	struct channel *channel; /* NULL: no guest can leave or arrive */
	/* Where other hosts reach the channel, best first; "" is none. */
	const char *const *channel_addresses;
	size_t n_channel_addresses;
	struct progress *progress; /* NULL: nobody wants to know */
	struct fence *fence;       /* NULL: this host has no leases */
	const struct disk_conf *disk;
	const char *book_dir; /* guests/vm-N/record */
	const char *run_dir;  /* vm-N/: the engine's own */
	const char *bridges;  /* allowed ones; "": any */
};

/* Reads the book (blocks, start-up).  No guest is touched yet. */
int guests_open(const struct guests_env *env, const struct guests_ops *ops,
    struct guests **ret_gs, struct err *e) WARN_UNUSED;
/* Guests run on; jobs are dropped as a crash would. No loop turn may follow before
 * flows_free. */
void guests_free(struct guests *gs);
/* Find the guests that should run; done(arg) once, later, when all are accounted for.
 */
void guests_adopt(struct guests *gs, void (*done)(void *arg), void *arg);

/* Handlers of inbox.h for every verb that is GUESTS' in verb.def. */
void guests_order(void *arg, struct order_name name, const Drover__Order *o);
void guests_cancel(void *arg, struct order_name name, const char *why);

size_t guests_count(const struct guests *gs);
/* One for each, by number, malloc'd: free each with
 * drover__guest_status__free_unpacked. */
size_t guests_status(const struct guests *gs, Drover__GuestStatus ***ret_st);
/* The name of a guest with a disk on the datastore; NULL: none. */
const char *guests_on_datastore(const struct guests *gs, uint64_t datastore);

/* For collect/: what is to be sampled, and the figures. */
struct guest_view {
	uint64_t guest;
	pid_t pid; /* 0: it has none */
	bool is_up;
	uint64_t started_ms;
	uint32_t num_cpu;
	const Drover__GuestSpec *spec; /* borrowed during the call */
	struct engine_guest *handle;   /* NULL: never started here */
};

struct guest_usage {
	uint64_t cpu_used_us;
	uint64_t memory_bytes;
};

void guests_each(
    struct guests *gs, void (*fn)(void *arg, const struct guest_view *v), void *arg);
void guests_set_usage(struct guests *gs, uint64_t guest, const struct guest_usage *u);

/* What counts of all guests on this machine at once. */
struct host_devices {
	const struct net_dev *links;
	size_t n_links;
	struct disk_io *disks; /* hardware; used as room to count in */
	size_t n_disks;
};

/* instance: one of its cards or disks; "": the guest as a whole.  at_us is 0
 * where the figures are of now. */
typedef void (*guest_figures_fn)(
    void *arg, uint64_t guest, const char *instance, const struct figures *f);
/* Read anew, and tell, what each guest that is up has used. */
void guests_figures(
    struct guests *gs, const struct host_devices *d, guest_figures_fn fn, void *arg);
/* The same of one guest; of one that is not up nothing. */
void guests_figures_of(struct guests *gs, uint64_t guest, const struct host_devices *d,
    guest_figures_fn fn, void *arg);
/* Sum over all guests, for a host that counts only its share of the machine. */
struct guest_usage guests_usage(const struct guests *gs);
/* Refresh what only the engine can tell (guests without a process), and disks' sizes.
 */
void guests_sample(struct guests *gs);
/* See to the memory of those that are up: once a second, and at once where the host has
 * become short of it. */
void guests_memory_turn(struct guests *gs, enum pressure p);
/* Datastores were looked at: stalled guests whose disks have room again go on. */
void guests_room_changed(struct guests *gs);
