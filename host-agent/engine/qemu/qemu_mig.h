/*
 * qemu_mig: QEMU's migration as we use it: what it is told, and what it says.
 *
 * Pure.  Who may run a guest when hangs on these settings: see ADR 0014.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

enum qemu_mig_use {
	QEMU_MIG_SAVE, /* to a file, stopped */
	QEMU_MIG_LOAD, /* from a file */
	QEMU_MIG_OUT,  /* to another host, running */
	QEMU_MIG_IN,   /* from another host */
};

/*
 * Arguments of migrate-set-capabilities; throttle: QEMU may slow the guest.  All that
 * we use are named each time: a process keeps those of the time before.
 */
json *qemu_mig_caps(enum qemu_mig_use use, bool throttle);

/* Arguments of migrate-set-parameters. */
json *qemu_mig_limits(uint32_t downtime_ms);
json *qemu_mig_downtime(uint32_t downtime_ms);
json *qemu_mig_throttle(void); /* begin to slow the guest */

/*
 * Arguments of qom-get, and what its answer means: is the last byte of its memory one
 * that a target needs?
 */
json *qemu_mig_tail(void);
bool qemu_mig_tail_is_bare(const json *answer);
#define QEMU_MIG_TAIL_WHY "it was started by an older version: stop and start it once"

enum qemu_mig_status {
	QEMU_MIG_NONE,     /* nothing was migrated by this process */
	QEMU_MIG_MOVES,    /* can be cancelled */
	QEMU_MIG_HOLDS,    /* stopped, asks for migrate-continue; can be cancelled */
	QEMU_MIG_SWITCHES, /* must be left alone: its last bytes leave */
	QEMU_MIG_ENDS,     /* was cancelled, not over yet */
	QEMU_MIG_COMPLETED,
	QEMU_MIG_FAILED, /* or cancelled */
};

struct qemu_mig_facts {
	enum qemu_mig_status status;
	const char *why; /* borrowed from the answer; "" */
	uint64_t transferred_bytes, remaining_bytes, total_bytes;
	uint64_t dirty_bytes_per_s, bytes_per_s;
	uint32_t rounds, throttle_pct;
	uint64_t total_ms, setup_ms, downtime_ms;
	const json *blocked; /* list of reasons, borrowed; NULL: none */
};

enum qemu_mig_status qemu_mig_status(const char *name);
/* Read query-migrate's answer. */
int qemu_mig_read(
    const json *o, struct qemu_mig_facts *ret_f, struct err *e) WARN_UNUSED;
