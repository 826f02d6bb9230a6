#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_int.h"

#define LOOP_MAGIC 0x4c4f4f50u
#define NO_LIMIT   UINT32_MAX

struct signal_hook {
	struct list_node node;
	struct loop *loop;
	struct event *ev;
	struct post post;
};

struct turn_end {
	struct list_node node;
	loop_fn fn;
	void *arg;
	const char *name;
};

static void
on_alarm(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = CAST_OBJ(loop, arg, LOOP_MAGIC);
	uint64_t ticks;

	l->alarm_at = 0;
	if (read(fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
		log_warn("loop", "cannot read the alarm: %s", strerror(errno));
}

/*
 * A timerfd on CLOCK_BOOTTIME and not libevent's own timeouts: those stand still while
 * the machine is suspended, and a lease must not live longer for that.
 */
static void
make_alarm(struct loop *l)
{
	l->alarm_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	ASSERT(l->alarm_fd >= 0);
	l->alarm = event_new(l->base, l->alarm_fd, EV_READ | EV_PERSIST, on_alarm, l);
	ASSERT(l->alarm && !event_add(l->alarm, NULL));
}

struct loop *
loop_new(const struct clock *clock)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	/* OpenSSL and pipes write where the reader may be gone; the error code is
	 * enough. */
	signal(SIGPIPE, SIG_IGN);
	l->magic = LOOP_MAGIC;
	l->clock = clock;
	l->is_virtual = clock != clock_system();
	l->alarm_fd = -1;
	list_init(&l->posts);
	list_init(&l->signals);
	list_init(&l->turn_ends);
	list_init(&l->forgotten);
	list_init(&l->children);
	list_init(&l->watched);
	l->base = event_base_new();
	ASSERT(l->base);
	if (!l->is_virtual)
		make_alarm(l);
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	ASSERT(!l->turning && !l->flows);
	children_reap(l);
	LIST_EACH_SAFE(struct signal_hook, h, &l->signals, node) {
		post_remove(l, &h->post);
		event_free(h->ev);
		free(h);
	}
	LIST_EACH_SAFE(struct turn_end, t, &l->turn_ends, node) {
		free(t);
	}
	posts_drop(l);
	timers_drop(l);
	if (l->alarm)
		event_free(l->alarm);
	if (l->alarm_fd >= 0)
		close(l->alarm_fd);
	event_base_free(l->base);
	l->magic = 0;
	free(l);
}

const struct clock *
loop_clock(const struct loop *l)
{
	return l->clock;
}

uint64_t
loop_now_ms(const struct loop *l)
{
	/* Outside a turn a test may turn the clock between two calls. */
	return l->now_read ? l->now_ms : clock_mono_ms(l->clock);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

void
loop_check_slow(
    const struct loop *l, uint64_t since_us, const char *what, const char *part)
{
	uint64_t took_us = clock_mono_us(l->clock) - since_us;

	if (took_us > SLOW_CALLBACK_US)
		log_warn("loop", "callback %s%s%s took %llu ms", what, part ? " " : "",
		    part ? part : "", (unsigned long long)(took_us / 1000));
}

/* Set the alarm to at (0: off), if it is not there already. */
static void
set_alarm(struct loop *l, uint64_t at, uint64_t now)
{
	struct itimerspec its = { 0 };

	if (l->alarm_at == at)
		return;
	if (at) {
		its.it_value.tv_sec = (time_t)((at - now) / 1000);
		its.it_value.tv_nsec = (long)((at - now) % 1000) * 1000000;
	}
	ASSERT(!timerfd_settime(l->alarm_fd, 0, &its, NULL));
	l->alarm_at = at;
}

/* Whether the I/O phase may sleep; if so, the alarm is set to end it in time. */
static bool
may_sleep(struct loop *l, uint32_t max_ms)
{
	uint64_t now, at = 0, next;

	if (max_ms == 0 || l->n_posts || (l->flows && flows_ready(l->flows)))
		return false;
	if (l->is_virtual)
		return max_ms == NO_LIMIT;
	now = clock_mono_ms(l->clock);
	if (max_ms != NO_LIMIT)
		at = now + max_ms;
	if (timers_next(l, &next) && (!at || next < at))
		at = next;
	if (at && at <= now)
		return false;
	set_alarm(l, at, now);
	return true;
}

static void
run_turn_ends(struct loop *l)
{
	uint64_t begin_us;

	LIST_EACH(struct turn_end, t, &l->turn_ends, node) {
		begin_us = clock_mono_us(l->clock);
		t->fn(t->arg);
		loop_check_slow(l, begin_us, t->name, NULL);
	}
}

/* The I/O phase, which sleeps, is not in it: its callbacks only decode and post. */
static void
note_turn(struct loop *l, uint64_t since_us)
{
	uint64_t took_us = clock_mono_us(l->clock) - since_us;

	if (took_us > l->longest_us)
		l->longest_us = took_us;
}

uint64_t
loop_take_longest_us(struct loop *l)
{
	uint64_t us = l->longest_us;

	l->longest_us = 0;
	return us;
}

static unsigned
run_turn(struct loop *l, uint32_t max_ms)
{
	uint64_t since_us;
	unsigned ran;
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	ASSERT(!l->turning);
	l->turning = true;
	if (!may_sleep(l, max_ms))
		flags |= EVLOOP_NONBLOCK;
	if (event_base_loop(l->base, flags) < 0)
		log_err("loop", "waiting for events failed: %s", strerror(errno));

	since_us = clock_mono_us(l->clock);
	l->now_ms = since_us / 1000;
	l->now_read = true;
	/* Posts before timers: an answer that came with its deadline still counts. */
	ran = posts_run(l);
	ran += timers_run(l);
	if (l->flows)
		ran += flows_run(l->flows);
	if (ran)
		run_turn_ends(l);
	note_turn(l, since_us);
	l->now_read = false;
	l->turning = false;
	return ran;
}

unsigned
loop_turn(struct loop *l, uint32_t max_ms)
{
	return run_turn(l, max_ms < NO_LIMIT ? max_ms : NO_LIMIT - 1);
}

void
loop_run(struct loop *l)
{
	while (!l->stop)
		run_turn(l, NO_LIMIT);
	l->stop = false;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}

static void
on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct signal_hook *h = arg;

	post_add(h->loop, &h->post);
}

int
loop_on_signal(struct loop *l, int signo, loop_fn fn, void *arg, struct err *e)
{
	struct signal_hook *h = xcalloc(1, sizeof(*h));

	h->loop = l;
	h->post = (struct post){ .fn = fn, .arg = arg, .name = strsignal(signo) };
	h->ev = evsignal_new(l->base, signo, on_signal, h);
	if (!h->ev || event_add(h->ev, NULL)) {
		if (h->ev)
			event_free(h->ev);
		free(h);
		return err_set(e, ERR_INVALID, "signal %d cannot be caught", signo);
	}
	list_add_tail(&l->signals, &h->node);
	return 0;
}

void
loop_on_turn_end_named(struct loop *l, loop_fn fn, void *arg, const char *name)
{
	struct turn_end *t = xcalloc(1, sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	t->name = name;
	list_add_tail(&l->turn_ends, &t->node);
}

void
loop_off_turn_end(struct loop *l, loop_fn fn, void *arg)
{
	LIST_EACH_SAFE(struct turn_end, t, &l->turn_ends, node) {
		if (t->fn != fn || t->arg != arg)
			continue;
		list_remove(&t->node);
		free(t);
	}
}
