/*
 * loop_int: what the files of loop/ share: the loop itself, its posts, its timer heap.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "loop/post.h"

#define SLOW_CALLBACK_US UINT64_C(50000)

struct event;
struct flows;
struct timer;

/* One entry of the posts phase; embedded by whoever posts it, so that it can be
 * withdrawn. */
struct post {
	struct list_node node;
	loop_fn fn;
	void *arg;
	const char *name; /* for the warning about slow callbacks */
};

struct loop {
	uint32_t magic;
	const struct clock *clock; /* borrowed */
	bool is_virtual;           /* the clock turns only when a test turns it */
	struct event_base *base;

	uint64_t longest_us; /* of the turns since loop_take_longest_us */
	bool turning; /* inside loop_turn: the time stands still once read */
	bool now_read;
	uint64_t now_ms;
	bool stop;

	int alarm_fd; /* timerfd that ends a sleep; -1 with a virtual clock */
	struct event *alarm;
	uint64_t alarm_at; /* what it is set to, 0: nothing */

	struct list posts;
	unsigned n_posts;

	struct timer **heap; /* by (deadline, seq) */
	size_t heap_len, heap_cap;
	uint64_t timer_seq;

	struct flows *flows; /* at most one registry a loop */
	uint64_t last_flow_id;

	struct list signals;
	struct list turn_ends;
	struct list forgotten; /* children that wait for nothing but their reaping */
	struct list children;  /* all of them */
	struct list watched;   /* processes with a pid_watch */
	bool adopts_orphans;
};

/* Queue p for the next posts phase; nothing happens if it waits already. */
void post_add(struct loop *l, struct post *p);
void post_remove(struct loop *l, struct post *p);
unsigned posts_run(struct loop *l);
void posts_drop(struct loop *l);

unsigned timers_run(struct loop *l);
/* Deadline of the next timer; false if none runs. */
bool timers_next(const struct loop *l, uint64_t *ret_ms);
void timers_drop(struct loop *l);

bool flows_ready(const struct flows *fs);
unsigned flows_run(struct flows *fs);
void flows_deliver(struct flows *fs, struct wake w, int rc, const struct err *e);
bool flows_await(const struct flows *fs, struct wake w);

void children_reap(struct loop *l); /* at loop_free */
bool child_is(const struct loop *l, pid_t pid);
bool pid_is_watched(const struct loop *l, pid_t pid);
/* Bury the orphans that nobody asks for, as far as they have ended. */
void orphans_reap(const struct loop *l);

/* Warn if the callback that began at since_us took too long. part may be NULL. */
void loop_check_slow(
    const struct loop *l, uint64_t since_us, const char *what, const char *part);
