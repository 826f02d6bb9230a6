/*
 * engine_picture: what a machine's screen shows, for engines whose guests have one.
 *
 * Not a verb: it may be asked for beside whatever verb is under way.
 */
#pragma once
#include "host-agent/engine/engine.h"

#define ENGINE_PICTURE_MAX ((size_t)4 << 20)

/* png is borrowed; NULL with rc. */
typedef void (*engine_picture_fn)(
    void *arg, int rc, const struct err *e, const void *png, size_t n);

/*
 * fn comes once, after this has returned, unless the guest ends or it is forgotten
 * before.  One at a time: ERR_BUSY.  ERR_UNSUPPORTED: the guest has no screen.
 */
int engine_picture(
    struct engine_guest *g, engine_picture_fn fn, void *arg, struct err *e) WARN_UNUSED;
/* Whoever asked with that arg waits no more. */
void engine_picture_forget(struct engine_guest *g, const void *arg);
