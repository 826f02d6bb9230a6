/*
 * sess_pipe: a session's ways in and out, each a descriptor that does not block.
 *
 * Both may be one descriptor (a terminal, a socket): whoever embeds them closes it
 * once, when both have been stopped.
 */
#pragma once
#include "host-agent/session/sess_int.h"

#define SESS_IN_WINDOW 65536u

struct fd_watch;
struct loop;

/* What comes out of the guest. */
struct sess_outlet {
	struct sess *s;
	enum sess_way way;
	int fd; /* borrowed; -1: ended, or there is none */
	struct fd_watch *watch;
	bool dry; /* whoever wrote is gone: what is empty is at its end */
	/* After a turn of its own; the session may be freed within. */
	void (*pumped)(struct sess *s);
};

void sess_outlet_watch(struct sess_outlet *o, struct loop *l);
void sess_outlet_stop(struct sess_outlet *o);
/*
 * Send what is there as far as there is credit.  True: its end has come and is sent;
 * the descriptor is the caller's to close.
 */
bool sess_outlet_pump(struct sess_outlet *o) WARN_UNUSED;

/* What goes into the guest. */
struct sess_inlet {
	struct sess *s;
	int fd; /* borrowed; -1: nobody takes it, it falls on the floor */
	struct fd_watch *watch;
	/* What was not read yet, and the end that a terminal is typed. */
	uint8_t buf[SESS_IN_WINDOW + 1];
	size_t at, n;
	size_t taken; /* bytes that went in and are not granted anew */
	/* Nobody reads it any more. */
	void (*deaf)(struct sess *s);
	/* All of it has been written. NULL: nobody asks. */
	void (*empty)(struct sess *s);
};

/* Grants the first window. */
void sess_inlet_watch(struct sess_inlet *i, struct loop *l);
void sess_inlet_stop(struct sess_inlet *i);
/* At most what was granted. */
void sess_inlet_take(struct sess_inlet *i, const void *p, size_t n);
