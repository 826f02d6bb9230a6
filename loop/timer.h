/*
 * timer: one-shot and periodic timers on the loop's clock (virtual in tests).
 */
#pragma once
#include <stdint.h>

#include "loop/loop.h"

struct timer;

/* Not running until timer_after or timer_every. fn runs in the posts phase. */
#define timer_new(l, fn, arg) timer_new_named((l), (fn), (arg), #fn)
/* The same under the name by which a slow callback is logged; name is borrowed. */
struct timer *timer_new_named(struct loop *l, loop_fn fn, void *arg, const char *name);
void timer_free(struct timer *t); /* stops it; fine from within fn */
void timer_after(struct timer *t, uint64_t ms);
void timer_every(struct timer *t, uint64_t ms); /* missed periods are not made up */
void timer_stop(struct timer *t);
