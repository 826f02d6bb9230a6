/*
 * qga: a client of the agent inside a guest, over the channel that QEMU holds.
 *
 * The agent may be absent, slow, restarted or not an agent at all.  Whether it answers
 * is asked every QGA_POLL_MS; a call synchronises first, so that a late answer to an
 * earlier one is never taken for its own.  Loop thread only.
 */
#pragma once
#include "host-agent/engine/engine_snapshot.h"
#include "loop/post.h"

#define QGA_POLL_MS   15000u
#define QGA_ANSWER_MS 5000u

struct qga;

struct qga_hooks {
	/* A connected stream socket that does not block. */
	int (*connect)(void *arg, int *ret_fd, struct err *e);
	void *arg;
};

/* who stands for the guest in errors, and must stay good. */
struct qga *qga_new(struct loop *l, const char *who, const struct qga_hooks *hooks);
void qga_free(struct qga *q); /* a call under way is dropped; NULL is fine */
const struct engine_inside *qga_inside(const struct qga *q);
/*
 * Have the agent do something without arguments; one call at a time.  rc of the wake:
 * 0, ERR_TIMEOUT, ERR_LOST, ERR_UNSUPPORTED with the agent's own words, ERR_BUSY.
 */
void qga_call(struct qga *q, const char *command, uint32_t timeout_ms, struct wake w);
