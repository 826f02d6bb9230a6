/*
 * engine_snapshot: freezing a guest's disks and merging frozen images again, while it
 * is up.
 *
 * Every disk is a chain of images of which the top is written (struct engine_disk).
 * Freezing puts a fresh image on each chain at one moment; merging takes one image out
 * of a chain and puts its content into the one below.  What a guest that is down needs
 * is done on its images alone, without an engine (storage/layer.h).
 */
#pragma once
#include "host-agent/engine/engine.h"

struct engine_freeze {
	const Drover__GuestSpec *spec;   /* as it is afterwards */
	const struct engine_disk *disks; /* one for each of spec->disks */
	int memory_fd; /* a fresh file for the guest's memory; -1: disks alone */
	bool quiesce;  /* ask the guest to settle its file systems first */
};

struct engine_frozen {
	bool disks;  /* the chains have grown, whatever came after */
	bool memory; /* the image is whole */
	bool quiesced;
	char why_not[96]; /* it was not quiesced */
	uint64_t memory_bytes;
	uint64_t paused_ms; /* how long the guest stood still */
};

/*
 * All disks of a guest that is up at one moment; with memory_fd (RUNNING only) the
 * memory of that moment too, most of it written while the guest runs.  Descriptors are
 * borrowed until this returns; the caller syncs the memory.  A failure may come after
 * the chains have grown: see engine_frozen().
 */
void engine_freeze(
    struct engine_guest *g, const struct engine_freeze *fr, struct wake w);
/* Of the last engine_freeze. */
const struct engine_frozen *engine_frozen(const struct engine_guest *g);

struct engine_merge {
	const Drover__GuestSpec *spec; /* before the merge */
	size_t disk;                   /* its number in the spec */
	size_t upper; /* the one that goes, counted from the top: 0 is written */
	const char *lower_name; /* how the header above is to name the one below */
};

/*
 * Bring all of upper into the one below, and hold before the chain changes: both hold
 * the same now and stay so.  The caller makes durable that upper is needed no more,
 * then engine_merge_end lets the chain change.  Both are done at once where the chain
 * has one image less already.  Everything is borrowed until this returns.
 */
void engine_merge(struct engine_guest *g, const struct engine_merge *m, struct wake w);
void engine_merge_end(struct engine_guest *g, struct wake w);

/* Images in the chain of disk number i of spec as the running guest has it, for one
 * that was adopted; 0: not known. */
size_t engine_chain_length(
    struct engine_guest *g, const Drover__GuestSpec *spec, size_t i);

/* Is the open file the whole memory of a guest?  ERR_CORRUPT.  Blocking, any thread. */
int engine_memory_check(int fd, struct err *e) WARN_UNUSED;
/* Does it belong to one guest alone?  Then its descriptor can be written to, so that it
 * can be merged. */
bool engine_layer_is_own(const Drover__DiskLayer *l);

/* What the guest tells about itself through its own agent. */
#define ENGINE_ADDRESSES_MAX 16

struct engine_inside {
	bool answers;
	uint64_t heartbeat_ms; /* wall clock of its last answer; 0: never */
	char host_name[256];
	char os[128];
	char addresses[ENGINE_ADDRESSES_MAX][48];
	size_t n_addresses;
};

/* NULL: the engine cannot ask. */
const struct engine_inside *engine_inside(struct engine_guest *g);
