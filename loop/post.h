/*
 * post: completions, drained once a turn.  Starting something never calls you back
 * before it returns; its end comes as a post.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

/*
 * A wake names one wait of one flow.  A late, double or orphaned wake falls on the
 * floor: that is the whole cancellation story.
 */
struct wake {
	uint64_t flow; /* 0: nobody waits */
	uint32_t wait;
};

#define WAKE_NONE ((struct wake){ 0, 0 })

/* rc is 0 or an enum err_code; e (may be NULL) is copied. */
void post_wake(struct loop *l, struct wake w, int rc, const struct err *e);
/* Does anybody wait for it still?  What takes long may end where nobody does. */
bool wake_is_awaited(const struct loop *l, struct wake w);
/* Run fn(arg) in the next posts phase; not cancellable, so arg must outlive it. */
#define post_call(l, fn, arg) post_call_named((l), (fn), (arg), #fn)
/* The same under the name by which a slow callback is logged; name is borrowed. */
void post_call_named(struct loop *l, loop_fn fn, void *arg, const char *name);
