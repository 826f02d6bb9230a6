/*
 * engine_move: taking a running guest to another host, as its engines see it.
 *
 *   source                                target
 *   engine_move_offer                     -
 *   -                                     engine_move_in     DOWN → ARRIVING
 *   engine_move_out  RUNNING → LEAVING    (bytes come)
 *     → GIVEN, stopped for good           → whole: runs (or is paused), irrevocable
 *   engine_kill                           -
 *
 * Who may run it when.  A source that is not GIVEN runs it; what it sent until then is
 * of no use to anybody.  A target whose guest has come whole may run it at once: the
 * last byte leaves the source only after the source has stopped for good.  Between
 * the two nobody runs it, and only the target can tell how it ended: a source that is
 * GIVEN runs again by engine_move_take_back alone, which its caller orders only when
 * the target has refused for ever (engine_kill there before the guest was whole).  So
 * the engine must see to it that a source does not go on by itself once the target may
 * be whole: no return path, nothing behind the last byte that the target needs.
 *
 * An agent that restarts adopts with engine_adopt_moving instead of engine_adopt.
 */
#pragma once
#include "host-agent/engine/engine.h"

struct engine_offer {
	uint8_t *shape; /* what the target must start; the engine's own text */
	size_t n_shape;
	uint64_t memory_bytes;
	char **obstacles; /* why it cannot leave now; n_obstacles of them */
	size_t n_obstacles;
};

/* Of a guest that is up. Wake; then the answer is in engine_move_offered until the next
 * verb. */
void engine_move_offer(struct engine_guest *g, struct wake w);
const struct engine_offer *engine_move_offered(const struct engine_guest *g);

/* A disk that goes over the channel besides the memory. */
struct engine_disk_stream {
	const char *disk; /* name in the spec */
	int fd;           /* stream socket to the other side; taken */
	/* Out: its written image only, what lies below is the same on the other side.
	 * Else all that it holds. */
	bool top;
};

struct engine_arrival {
	const uint8_t *shape; /* the source's */
	size_t n_shape;
	int memory_fd; /* stream socket; taken */
	const struct engine_disk_stream *disks;
	size_t n_disks;
	bool run; /* when it has come: RUNNING; else PAUSED */
};

/*
 * DOWN → ARRIVING: everything of b is as for a start (b->memory_fd is not used).  Ends
 * when bytes can come.
 */
void engine_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct wake w);
/*
 * It is let go as soon as it is whole, whether somebody waits or not.
 *
 * ARRIVING → RUNNING (or PAUSED): ends when it has come whole and runs.  LOST: it did
 * not; DOWN, nothing of it is left.  Ends with CANCELLED when engine_kill came between.
 */
void engine_move_wait(struct engine_guest *g, struct wake w);

struct engine_departure {
	int memory_fd; /* stream socket; taken */
	const struct engine_disk_stream *disks;
	size_t n_disks;
	uint32_t downtime_ms, downtime_max_ms;
	bool auto_converge;
	uint32_t give_up_ms;
};

/*
 * RUNNING or PAUSED → LEAVING → GIVEN.  A failure leaves it as it was before, running
 * on. engine_move_cancel ends it with CANCELLED unless it is too late, then it ends as
 * it would have.
 */
void engine_move_out(
    struct engine_guest *g, const struct engine_departure *d, struct wake w);
void engine_move_cancel(struct engine_guest *g);
/* GIVEN → as it was before; see above for when that is allowed. RUNNING: it
 * is done already. */
void engine_move_take_back(struct engine_guest *g, struct wake w);

struct engine_progress {
	const char *phase; /* "copying disks", "copying memory", "switching over", "" */
	uint64_t done_bytes, total_bytes;
	uint64_t bytes_per_s, dirty_bytes_per_s;
	uint32_t rounds;
	uint64_t total_ms, setup_ms, downtime_ms; /* when it has ended */
	bool throttled, post_copied;
	char note[160];
};

/* Of the move or block job under way, or of the last one. */
const struct engine_progress *engine_progress(const struct engine_guest *g);

enum engine_moving { ENGINE_MOVES_IN, ENGINE_MOVES_OUT };

/*
 * As engine_adopt, for a guest whose record says that it was on its way.  MOVES_IN: 0
 * with state RUNNING (or PAUSED, if !run) where it had come whole, which is let go now;
 * else ERR_NOT_FOUND and nothing of it is left (its bytes came through the agent that
 * ended).  MOVES_OUT: 0 with RUNNING, PAUSED, or GIVEN where it had been given.
 */
void engine_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct wake w);

/* A disk that goes to another image on the same host.  Borrowed until the call returns.
 */
struct engine_disk_move {
	const Drover__GuestSpec *spec; /* as it is now */
	size_t i;                      /* the disk's number in it */
	const struct engine_disk *to;
	const Drover__DiskSpec *to_spec;
	uint64_t bytes_per_s; /* 0: no cap */
	/* The whole chain becomes one image; else what lies below is the same at the
	 * new place. */
	bool flatten;
};

enum engine_disk_end { ENGINE_DISK_TAKE, ENGINE_DISK_KEEP };

/*
 * Of a guest that is up: copy the disk, and hold when both images are the same; what
 * the guest writes to it waits.  The caller notes in the record where the disk is, then
 * engine_disk_move_end lets the guest go over (TAKE), or stay if it could not be noted
 * (KEEP).  A failure leaves everything as it was; engine_move_cancel makes one.  An
 * adoption does either, by the spec.
 */
void engine_disk_move(
    struct engine_guest *g, const struct engine_disk_move *m, struct wake w);
void engine_disk_move_end(
    struct engine_guest *g, enum engine_disk_end how, struct wake w);
