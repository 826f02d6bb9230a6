/*
 * sess_world: a host's sessions, with one guest that is this machine, and a server that
 * notes what it is told of the one session.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "host-agent/engine/engine_int.h"
#include "host-agent/session/sess.h"
#include "tests/lib/agent_bed.h"

#define GUEST   42u
#define SESSION 7u
#define PLENTY  (1u << 20)
#define MY_IDS  65536u /* of the guest, if we are root */

/* What the server has been told of the one session. */
struct sess_world {
	struct bed *bed;
	struct sess_set *set;
	struct engine engine;
	struct engine_guest guest;
	struct str out, err;
	bool out_ended, err_ended, lost;
	uint64_t granted;
	unsigned ends;
	int fault;
	char why[240];
	uint32_t exit_code, signal;
	int screen;        /* the machine's end of it, -1: nobody opened it */
	struct str typed;  /* on the serial line */
	bool keeps_credit; /* the server lets it have no more than it was given */
};

void sw_open(struct sess_world *w);
void sw_close(struct sess_world *w);

/* ---- as the server ---- */

/* Over a link: packed and unpacked. */
void sw_tell(struct sess_world *w, Drover__Envelope *m);
void sw_grant(struct sess_world *w, Drover__SessionStream way, uint32_t n);
/* Open the session; the guest is GUEST if o names none. */
void sw_begin(struct sess_world *w, Drover__SessionOpen *o);
/* A shell's script, with credit for all that it says. */
void sw_run(struct sess_world *w, const char *script, bool tty);
void sw_say(struct sess_world *w, const void *p, size_t n, bool end);
/* It ends, once, and nothing of it is left. */
void sw_wait_end(struct sess_world *w);
