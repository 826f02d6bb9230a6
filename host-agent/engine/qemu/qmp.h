/*
 * qmp: a client of QEMU's machine protocol on the loop.
 *
 * Calls carry ids; answers are posted to the caller's wake, and a deadline is the
 * waiting flow's.  Calls made before QEMU's greeting wait for it.  Loop thread only.
 */
#pragma once
#include "host-agent/engine/qemu/qmp_parse.h"
#include "loop/post.h"

struct qmp;

struct qmp_hooks {
	/* An event; borrowed during the call.  Posts phase. */
	void (*event)(void *arg, const char *name, const json *data);
	/* The connection is gone; every call under way has been failed with ERR_LOST.
	 * Posts phase. */
	void (*gone)(void *arg, const struct err *e);
};

/* fd_take is a connected stream socket.  who stands for the guest in errors. */
struct qmp *qmp_new(struct loop *l, int fd_take, const char *who,
    const struct qmp_hooks *hooks, void *arg);
/* Calls under way are dropped, not answered.  NULL is fine; fine from within a hook. */
void qmp_free(struct qmp *q);

/*
 * Send a command.  rc of the wake: 0 (see qmp_result), ERR_LOST, or as the error's
 * class maps: ERR_UNSUPPORTED, ERR_NOT_FOUND, ERR_IO with QEMU's own words.
 */
void qmp_call(struct qmp *q, const char *command, json *args_take, struct wake w);
/* The same with a descriptor passed along (getfd); it is duplicated. */
void qmp_call_fd(
    struct qmp *q, const char *command, json *args_take, int fd, struct wake w);
/*
 * For who has no flow and can do without an answer: fn is called in the posts phase
 * with the value (borrowed, NULL with rc), and never once the connection is gone.
 */
typedef void (*qmp_answer_fn)(void *arg, int rc, const json *value);
void qmp_ask(
    struct qmp *q, const char *command, json *args_take, qmp_answer_fn fn, void *arg);
/* The value of the newest call that was answered to a wake; borrowed until the next
 * answer. */
const json *qmp_result(const struct qmp *q);
bool qmp_is_lost(const struct qmp *q);
