/*
 * ha: keeps the protected guests of each cluster running when hosts are lost.
 *
 * It answers the hosts' beats with leases (ha_beat.c), judges the hosts by them and
 * fences those that are lost (ha_fence.c, by ha_decide.h), and orders their guests
 * elsewhere (ha_restart.c, by ha_restart_decide.h).  What it must not forget is in the
 * inventory; the rest begins anew with each leadership.  Core thread only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "server/ha/ha_decide.h"
#include "server/ha/ha_restart_decide.h"

struct advice;
struct arena;
struct ha;
struct hosts;
struct inv;
struct ops;
struct tasks;

struct ha_opts {
	struct inv *inv;
	struct hosts *hosts;
	struct advice *advice;
	struct tasks *tasks;
	struct ops *ops;
	uint64_t epoch; /* of our leadership */
	/* Until when we lead, and when what the leader before granted is over; ours,
	 * CLOCK_BOOTTIME (server/leader/leader.h) */
	uint64_t (*lead_end_ms)(void *arg);
	uint64_t (*before_end_ms)(void *arg);
	void *arg;
};

/* The verbs ha.restart and host.confirm_dead: before ops_new. */
void ha_register(void);
struct ha *ha_new(const struct ha_opts *o); /* all borrowed */
void ha_free(struct ha *ha);

/* ---- what there is to see ---- */

struct ha_status_host {
	obj_id host;
	enum ha_is is;
	uint32_t slot;        /* 0: it never joined */
	uint64_t inc;         /* 0: as slot */
	bool fenced;          /* that incarnation gets no lease any more */
	bool heard;           /* since we lead; silent_ms counts from then if not */
	uint64_t silent_ms;   /* since its last beat */
	uint64_t lease_ms;    /* that its network lease still holds */
	const char *fencing;  /* "software fencing"; "" before its first beat */
	const char *lost;     /* datastore that it alone has lost, or "" */
	uint32_t n_protected; /* guests */
};

/* A guest that is to run and does not. */
struct ha_status_waiting {
	obj_id vm;
	enum restart_is is;
	const char
	    *why; /* "no host has room: …", "waits for db", "tries again in 8 s" */
	uint64_t since_ms; /* so long ago */
	uint32_t failures;
};

/* The last restarts, newest first. */
struct ha_status_failover {
	obj_id vm, from, to;
	uint64_t at_ms; /* since 1970: when it ran again */
	uint64_t detect_ms, wait_ms, claim_ms, exec_ms;
};

struct ha_status {
	bool braked;                  /* too many hosts fell silent at once */
	uint64_t collect_ms;          /* that we still wait for hosts' first words */
	uint32_t protected_on;        /* guests that run under leases */
	struct ha_status_host *hosts; /* by id */
	size_t n_hosts;
	struct ha_status_waiting *waiting; /* by id */
	size_t n_waiting;
	struct ha_status_failover *failovers;
	size_t n_failovers;
};

/* Are so many of its hosts silent that we suspect ourselves? */
bool ha_is_braked(const struct ha *ha, obj_id cluster);

/* Of each restart, once its guest runs again; f is borrowed. */
typedef void (*ha_restarted_fn)(
    void *arg, obj_id cluster, const struct ha_status_failover *f);
/* One follows; NULL: nobody any more. */
void ha_follow_restarts(struct ha *ha, ha_restarted_fn fn, void *arg);

/* Of one cluster, as it is now; all from mem. */
void ha_status_read(
    const struct ha *ha, obj_id cluster, struct arena *mem, struct ha_status *ret);
