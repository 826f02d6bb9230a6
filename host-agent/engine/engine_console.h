/*
 * engine_console: a guest's serial line and its screen.
 *
 * Loop thread only.
 */
#pragma once
#include "base/list.h"
#include "host-agent/engine/engine.h"

/*
 * The newest bytes of the serial console's ring (at most ENGINE_CONSOLE_MAX are kept on
 * disk), oldest first, into buf.  Returns how many; 0 if there are none.
 */
#define ENGINE_CONSOLE_MAX 262144u
size_t engine_console_tail(struct engine_guest *g, char *buf, size_t cap);
/* Type n bytes on the console.  ERR_BAD_STATE if the guest is DOWN. */
int engine_console_write(
    struct engine_guest *g, const void *p, size_t n, struct err *e) WARN_UNUSED;

/* Who hears what the console says; lives in whoever listens. */
struct engine_ear {
	struct list_node node;
	void (*heard)(void *arg, const void *p, size_t n);
	void *arg;
};

/* From now on, until engine_console_leave or the handle's end. */
void engine_console_listen(struct engine_guest *g, struct engine_ear *r);
void engine_console_leave(struct engine_ear *r); /* fine when it does not listen */

/*
 * A new connection to the guest's screen, which speaks VNC (RFC 6143) without a
 * password; it does not block, and the caller closes it.  ERR_UNSUPPORTED: the guest
 * has no screen; ERR_BAD_STATE: it is DOWN; ERR_LOST: nobody answers.
 */
int engine_screen_open(struct engine_guest *g, int *ret_fd, struct err *e) WARN_UNUSED;
