#include "tests/lib/guard_bed.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

uint64_t
guarded_in_us(uint64_t us)
{
	return clock_mono_us(clock_system()) + us;
}

void
guarded_on_change(void *arg, const struct guard_state *s)
{
	struct guarded *g = arg;

	g->state = *s;
	g->changes++;
}

int
guarded_setup(void **state)
{
	struct guarded *g = xcalloc(1, sizeof(*g));

	g->bed = bed_new();
	g->witness = -1;
	*state = g;
	return 0;
}

bool
guarded_none_left(void *arg)
{
	struct guarded *g = arg;
	struct pollfd p = { .fd = g->witness, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

bool
guarded_is_told(void *arg)
{
	const struct guarded *g = arg;

	return g->state.life != GUARD_LIFE_STARTS;
}

bool
guarded_is_over(void *arg)
{
	const struct guarded *g = arg;

	return g->state.life > GUARD_LIFE_RUNS;
}

/* Nobody is left to end at leisure, nor a guard that waits to be asked. */
int
guarded_teardown(void **state)
{
	struct guarded *g = *state;

	if (g->disk.frozen)
		disk_bed_thaw(&g->disk);
	if (g->client && g->state.life == GUARD_LIFE_RUNS) {
		assert_int_equal(guard_client_kill(g->client, NULL), 0);
		bed_until(g->bed, guarded_is_over, g);
	}
	if (g->client && g->state.heard)
		assert_int_equal(guard_client_release(g->client, NULL), 0);
	if (g->witness >= 0) {
		bed_until(g->bed, guarded_none_left, g);
		close(g->witness);
	}
	guard_client_free(g->client);
	if (g->disk.dir[0])
		disk_bed_unmount(&g->disk);
	bed_free(g->bed);
	free(g);
	return 0;
}

struct guard_opts
guarded_opts(struct guarded *g, uint64_t deadline_us, const char *const *argv)
{
	return (struct guard_opts){
		.guard = GUARD_PROGRAM,
		.dir = g->bed->dir,
		.deadline_us = deadline_us,
		.argv = argv,
		.output_path = bed_path(g->bed, "out"),
	};
}

/* Descriptor 3 is the witness's. */
void
guarded_start_opts(struct guarded *g, struct guard_opts *o)
{
	struct err e = ERR_INIT;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	o->pass_fds = &fds[1];
	o->n_pass_fds = 1;
	g->witness = fds[0];
	if (guard_client_start(g->bed->loop, o, guarded_on_change, g, &g->client, &e))
		fail_msg("%s", e.msg);
	close(fds[1]);
}

void
guarded_start(struct guarded *g, uint64_t deadline_us, const char *script)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct guard_opts o = guarded_opts(g, deadline_us, argv);

	guarded_start_opts(g, &o);
	bed_until(g->bed, guarded_is_told, g);
}

/* Until the script says that it has come so far. */
static bool
is_ready(void *arg)
{
	struct guarded *g = arg;

	return bed_exists(bed_path(g->bed, "ready"));
}

void
guarded_start_ready(struct guarded *g, uint64_t deadline_us, const char *script)
{
	AUTO_FREE char *whole = xasprintf("cd %s; %s", g->bed->dir, script);

	guarded_start(g, deadline_us, whole);
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
	bed_until(g->bed, is_ready, g);
}

bool
guarded_is_taken(void *arg)
{
	const struct guarded_order *o = arg;

	return o->guest->state.life > GUARD_LIFE_RUNS ||
	       guard_client_state(o->guest->client)->deadline_us == o->deadline_us;
}

/* Until the guard has it. */
void
guarded_arm(struct guarded *g, uint64_t deadline_us)
{
	struct guarded_order o = { g, deadline_us };

	assert_int_equal(guard_client_arm(g->client, deadline_us, NULL), 0);
	bed_until(g->bed, guarded_is_taken, &o);
}

/* A file of the kernel's, "" if there is none. */
const char *
guarded_peek(const char *path, char buf[1024])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, 1023);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

pid_t
guarded_guard(const struct guarded *g)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)g->state.pid);
	char buf[1024];
	const char *after = strrchr(guarded_peek(path, buf), ')');

	/* ") S 4711": state and parent. */
	assert_non_null(after);
	return (pid_t)strtol(after + 4, NULL, 10);
}
