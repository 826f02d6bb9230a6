/*
 * qemu_event: what an event of QEMU means for the guest, and what its end means.
 *
 * Pure: the driver gathers a view, asks, and carries out the answer.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "host-agent/engine/engine_int.h"

/* What past events have left for later ones; part of the guest's handle. */
struct qemu_trace {
	bool shutdown_seen;
	bool by_guest;     /* of the shutdown */
	char shutdown[32]; /* its reason: "guest-shutdown", "host-qmp-quit", … */
	bool panicked;
	bool io_error; /* a disk has reported an error that stops the guest */
	char io_reason[ENGINE_REASON_MAX];
	char saving[16]; /* how far saving its memory is: "active", "completed", … */
};

struct qemu_move {
	bool moves; /* the state becomes to */
	enum engine_state to;
	bool tells; /* the agent hears of it */
	enum engine_event_kind kind;
	char reason[ENGINE_REASON_MAX];
};

/*
 * Take one event.  verb_busy: a verb of ours is under way, which explains STOP, RESUME
 * and RESET.
 */
void qemu_event_take(struct qemu_trace *t, enum engine_state state, bool verb_busy,
    const char *name, const json *data, struct qemu_move *out);

/* Does a migration that has stopped it ask whether to go on? */
bool qemu_saving_asks(const struct qemu_trace *t);
/* Has saving its memory come to an end, good or bad? */
bool qemu_saving_ended(const struct qemu_trace *t);
/* The state that query-status names ("running", "paused", "io-error", …). */
enum engine_state qemu_status_state(const char *status);
/* Fill io_reason from query-block's answer, for a guest that was found stalled. */
void qemu_event_blocks(struct qemu_trace *t, const json *blocks);

struct qemu_end_view {
	const struct qemu_trace *trace;
	bool killed;        /* by engine_kill */
	bool asked;         /* to shut down, by engine_stop */
	bool suspended;     /* its memory is in the image */
	const char *struck; /* why it ended with its guard; NULL: it did not */
	bool status_known;  /* it was our child, or the kernel told */
	int status;         /* as of waitpid */
	const char *log;    /* what it wrote to its stderr; "" */
};

/* How a process has ended: the end, and a reason that a user can read. */
enum engine_end qemu_end_decide(
    const struct qemu_end_view *v, char reason[ENGINE_REASON_MAX]);
/* The last lines of text, joined with "; ", at most n-1 bytes, into buf. */
void qemu_last_lines(const char *text, char *buf, size_t n);
