/*
 * bench_guard: how late a guest dies after its deadline, and what its guard costs,
 * "name value unit" a line.
 *
 * Late is from the deadline to the moment at which no process of the guest holds a pipe
 * any more, as this process sees it: its own waiting for a processor is in it.  Once
 * with nothing else to do, once with everything stopped (SIGSTOP), once with three
 * processes a processor that want to compute.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "host-agent/fence/guard_client.h"
#include "loop/loop.h"

#define ROUNDS      30
#define DEADLINE_US 150000u
#define MAX_BURNERS 64
#define LOAD        3 /* of them a processor */

enum mode { IDLE, STOPPED, LOADED };

struct bench {
	char dir[64];
	const char *guard;
	struct loop *loop;
	struct guard_state state;
	pid_t burners[MAX_BURNERS];
	unsigned n_burners;
};

static void
on_change(void *arg, const struct guard_state *s)
{
	struct bench *b = arg;

	b->state = *s;
}

static void
burn(struct bench *b)
{
	unsigned n = LOAD * (unsigned)sysconf(_SC_NPROCESSORS_ONLN);

	for (b->n_burners = 0; b->n_burners < n && b->n_burners < MAX_BURNERS;) {
		pid_t pid = fork();

		ASSERT(pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
			for (volatile unsigned i = 0;; i++)
				;
		}
		b->burners[b->n_burners++] = pid;
	}
}

static void
cool(struct bench *b)
{
	while (b->n_burners) {
		kill(b->burners[--b->n_burners], SIGKILL);
		waitpid(b->burners[b->n_burners], NULL, 0);
	}
}

static struct guard_client *
start(struct bench *b, uint64_t deadline_us, int *ret_witness)
{
	static const char *const argv[] = { "/bin/sleep", "1000", NULL };
	struct guard_opts o = {
		.guard = b->guard,
		.dir = b->dir,
		.deadline_us = deadline_us,
		.argv = argv,
		.output_path = "/dev/null",
		.n_pass_fds = 1,
	};
	struct guard_client *c = NULL;
	struct err e = ERR_INIT;
	int fds[2];

	ASSERT(!pipe2(fds, O_CLOEXEC));
	o.pass_fds = &fds[1];
	b->state = (struct guard_state){ .life = GUARD_LIFE_STARTS };
	if (guard_client_start(b->loop, &o, on_change, b, &c, &e))
		fprintf(stderr, "%s\n", e.msg);
	ASSERT(c);
	close(fds[1]);
	while (b->state.life == GUARD_LIFE_STARTS)
		loop_turn(b->loop, 100);
	*ret_witness = fds[0];
	return c;
}

static pid_t
parent_of(pid_t pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	char line[512] = "";
	const char *after =
	    f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;

	if (f)
		fclose(f);
	ASSERT(after);
	/* ") S 4711": state and parent. */
	return (pid_t)strtol(after + 4, NULL, 10);
}

/* A line of /proc/PID/smaps_rollup, in KiB. */
static unsigned long
memory_of(pid_t pid, const char *format)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/smaps_rollup", (int)pid);
	FILE *f = fopen(path, "re");
	char line[256];
	unsigned long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, format, strlen(format)))
			kib = strtoul(line + strlen(format), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* How long after the deadline the last of it was gone. */
static uint64_t
one_round(struct bench *b, enum mode mode)
{
	uint64_t deadline = clock_mono_us(clock_system()) + DEADLINE_US, end;
	int witness;
	struct guard_client *c = start(b, deadline, &witness);
	struct pollfd p = { .fd = witness, .events = POLLIN };

	if (mode == STOPPED && b->state.life == GUARD_LIFE_RUNS) {
		kill(parent_of(b->state.pid), SIGSTOP);
		kill(b->state.pid, SIGSTOP);
	}
	while (poll(&p, 1, -1) < 0)
		;
	end = clock_mono_us(clock_system());
	while (b->state.life <= GUARD_LIFE_RUNS)
		loop_turn(b->loop, 100);
	guard_client_free(c);
	close(witness);
	return end > deadline ? end - deadline : 0;
}

static void
measure(struct bench *b, enum mode mode, const char *name)
{
	uint64_t sum = 0, max = 0;

	if (mode == LOADED)
		burn(b);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t late = one_round(b, mode);

		sum += late;
		max = late > max ? late : max;
	}
	cool(b);
	printf("guard_late_%s_mean %.2f ms\n", name, (double)sum / ROUNDS / 1000);
	printf("guard_late_%s_max %.2f ms\n", name, (double)max / 1000);
}

static void
weigh(struct bench *b)
{
	int witness;
	struct guard_client *c = start(b, GUARD_NO_DEADLINE, &witness);
	pid_t guard = parent_of(b->state.pid);
	struct err e = ERR_INIT;

	printf("guard_rss %lu KiB\n", memory_of(guard, "Rss:"));
	printf("guard_own %lu KiB\n", memory_of(guard, "Anonymous:"));
	if (guard_client_kill(c, &e))
		fprintf(stderr, "%s\n", e.msg);
	while (b->state.life <= GUARD_LIFE_RUNS)
		loop_turn(b->loop, 100);
	if (guard_client_release(c, &e))
		fprintf(stderr, "%s\n", e.msg);
	guard_client_free(c);
	close(witness);
}

int
main(int argc, char **argv)
{
	struct bench b = { .guard = GUARD_PROGRAM };
	AUTO_FREE char *socket = NULL;

	snprintf(b.dir, sizeof(b.dir), "/tmp/drover-bench-guard-XXXXXX");
	ASSERT(mkdtemp(b.dir));
	b.loop = loop_new(clock_system());
	weigh(&b);
	measure(&b, IDLE, "idle");
	measure(&b, STOPPED, "stopped");
	measure(&b, LOADED, "loaded");
	loop_free(b.loop);
	socket = xasprintf("%s/guard.sock", b.dir);
	unlink(socket);
	rmdir(b.dir);
	return 0;
}
