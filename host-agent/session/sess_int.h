/*
 * sess_int: what the kinds of session share.
 */
#pragma once
#include <stdbool.h>

#include "base/list.h"
#include "host-agent/engine/engine_console.h"
#include "host-agent/engine/engine_exec.h"
#include "host-agent/session/sess.h"
#include "loop/worker.h"

#define SESS_MAGIC 0x53455353u
#define SESS_WAYS  3 /* DROVER__SESSION_STREAM__SESSION_IN, _OUT, _ERR */

enum sess_way { SESS_IN, SESS_OUT, SESS_ERR };

struct sess;

struct sess_ops {
	/* The server takes more on that way. */
	void (*credit)(struct sess *s, enum sess_way way);
	/* n bytes for the guest, within what was granted; end: no more will come. */
	void (*input)(struct sess *s, const void *p, size_t n, bool end);
	void (*size)(struct sess *s, uint32_t rows, uint32_t columns); /* or NULL */
	/* The guest does not run any more. NULL: that ends the session by itself. */
	void (*guest_left)(struct sess *s);
	/* Nobody waits any more: stop, and free the session, now or later. */
	void (*drop)(struct sess *s);
};

/* The first member of each kind's own struct. */
struct sess {
	uint32_t magic;
	struct list_node node;
	struct sess_set *set; /* NULL: dropped, it only has to end */
	const struct sess_ops *ops;
	uint64_t number;
	uint64_t guest;
	uint64_t may_send[SESS_WAYS];
	uint64_t granted; /* of IN, not used yet */
	bool in_ended;
};

struct sess_set {
	struct sess_conf conf;
	struct list all;
};

/* The new session is in the set from now on. */
void sess_init(struct sess *s, struct sess_set *ss, const struct sess_ops *ops,
    const Drover__SessionOpen *o);
/* Out of the set; the kind frees it. */
void sess_fini(struct sess *s);
int sess_handle(
    const struct sess *s, struct engine_guest **ret_g, struct err *e) WARN_UNUSED;
/* Uses up credit; n fits it. False: the link is going down. */
bool sess_send(struct sess *s, enum sess_way way, const void *p, size_t n, bool end);
/* The server may send n bytes more. */
void sess_grant(struct sess *s, size_t n);
/* The last message of the session: how a program ended, or why there is none. */
void sess_tell_exit(struct sess *s, int status);
void sess_tell_fault(struct sess *s, const struct err *e); /* NULL: it went well */

/* Begin; on failure nothing is left of it. */
int sess_exec_open(
    struct sess_set *ss, const Drover__SessionOpen *o, struct err *e) WARN_UNUSED;
int sess_get_open(
    struct sess_set *ss, const Drover__SessionOpen *o, struct err *e) WARN_UNUSED;
int sess_put_open(
    struct sess_set *ss, const Drover__SessionOpen *o, struct err *e) WARN_UNUSED;
int sess_log_open(
    struct sess_set *ss, const Drover__SessionOpen *o, struct err *e) WARN_UNUSED;
int sess_picture_open(
    struct sess_set *ss, const Drover__SessionOpen *o, struct err *e) WARN_UNUSED;
int sess_screen_open(
    struct sess_set *ss, const Drover__SessionOpen *o, struct err *e) WARN_UNUSED;
int sess_serial_open(
    struct sess_set *ss, const Drover__SessionOpen *o, struct err *e) WARN_UNUSED;
