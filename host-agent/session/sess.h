/*
 * sess: programs, files and consoles of guests for somebody who waits at the server
 * (proto/session.proto).
 *
 * A session lives no longer than the link that it was opened over and holds no more
 * than its window: each side sends what the other has given credit for.  A server that
 * sends more loses the session.  Loop thread only; files are read and written by
 * workers.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/envelope.pb-c.h"

#define MAX_SESSIONS           64u
#define MAX_SESSIONS_PER_GUEST 16u
#define MAX_SESSION_FRAME      65536u  /* bytes of data in one message */
#define MAX_SESSION_WINDOW     262144u /* bytes that wait in one session and way */
#define MAX_EXEC_WORDS         1024u   /* of its arguments, of its environment */
#define MAX_EXEC_BYTES         131072u /* of each of the two */
#define MAX_GUEST_PATH         4095u

struct engine_guest;
struct loop;
struct sess_set;
struct workers;

struct sess_conf {
	struct loop *loop;
	struct workers *workers; /* for guests' files */
	/* The handle of a guest of this host; the error names the guest. */
	int (*find)(
	    void *arg, uint64_t guest, struct engine_guest **ret_g, struct err *e);
	/* To the server over the link there is; a failure means that it is going down.
	 */
	int (*send)(void *arg, Drover__Envelope *m, struct err *e);
	void *arg;
};

/* *c is copied, what it points to is borrowed. */
struct sess_set *sess_set_new(const struct sess_conf *c);
/* Before the workers' end: what runs in guests is ended. */
void sess_set_free(struct sess_set *ss);
/* One of the session messages; it is borrowed. */
void sess_message(struct sess_set *ss, const Drover__Envelope *m);
/* The link is gone, and with it everybody who waited. */
void sess_link_down(struct sess_set *ss);
/*
 * Some guest's state has changed.  Whoever does not run has no session that reaches
 * into its files: a mount that we hold is one that another host must not make.
 */
void sess_guests_changed(struct sess_set *ss);
size_t sess_count(const struct sess_set *ss);
