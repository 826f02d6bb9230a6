/*
 * loop: the one thread that decides.  libevent lives behind this folder.
 *
 * A turn is: I/O callbacks → posts → flows → pushes.  Callbacks only decode and post.
 * Everything here is for the loop's own thread unless it says otherwise.
 */
#pragma once
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

struct event_base;
struct loop;

/* The clock is borrowed.  Has the whole process ignore SIGPIPE. */
struct loop *loop_new(const struct clock *clock);
void loop_free(struct loop *l);
const struct clock *loop_clock(const struct loop *l);
uint64_t loop_now_ms(const struct loop *l);   /* mono, read once a turn */
/* The longest turn since this was asked last, without what it slept. */
uint64_t loop_take_longest_us(struct loop *l);
struct event_base *loop_base(struct loop *l); /* for loop/ and library drivers only */

void loop_run(struct loop *l); /* until loop_stop */
void loop_stop(struct loop *l);
/*
 * One turn without blocking longer than max_ms; returns how many posts and timers ran.
 * Tests with a virtual clock call clock_advance and then this until it returns 0.
 */
unsigned loop_turn(struct loop *l, uint32_t max_ms);

typedef void (*loop_fn)(void *arg);
/* Run fn(arg) on the loop when the signal arrives. */
int loop_on_signal(
    struct loop *l, int signo, loop_fn fn, void *arg, struct err *e) WARN_UNUSED;
/* Run fn(arg) at the end of every turn that did something: the pushes. */
#define loop_on_turn_end(l, fn, arg) loop_on_turn_end_named((l), (fn), (arg), #fn)
/* The same under the name by which a slow callback is logged; name is borrowed. */
void loop_on_turn_end_named(struct loop *l, loop_fn fn, void *arg, const char *name);
/* Forget it again; not from within such a call. */
void loop_off_turn_end(struct loop *l, loop_fn fn, void *arg);
