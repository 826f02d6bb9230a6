#include "bench/intake_agents.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bench/stats_scene.h"

#define STEP_MS   (SCENE_STEP_S * UINT64_C(1000))
#define SPREAD_MS UINT64_C(8000)
#define CALM      50u
#define BUSY      100u /* so many hosts have one whose guests do what they can */

static void
wait_until(uint64_t wall_ms)
{
	uint64_t now_ms = clock_wall_ms(clock_system());
	struct timespec t;

	if (now_ms >= wall_ms)
		return;
	t.tv_sec = (time_t)((wall_ms - now_ms) / 1000);
	t.tv_nsec = (long)((wall_ms - now_ms) % 1000) * 1000000;
	(void)nanosleep(&t, NULL);
}

static void
send_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t did = write(fd, at, n);

		ASSERT(did > 0);
		at += did;
		n -= (size_t)did;
	}
}

static void
send_frame(const struct scene *s, int fd, unsigned host, const struct scene_round *r)
{
	struct frame_head head = { .host = host, .values = s->guests * SCENE_COUNTERS };
	size_t n;
	AUTO_FREE uint8_t *p = scene_frame(s, host, r, &n);

	ASSERT(n <= FRAME_MAX);
	head.n = (uint32_t)n;
	send_all(fd, &head, sizeof(head));
	send_all(fd, p, n);
}

static void
send_step(const struct scene *s, int fd, uint64_t seq, uint64_t due_ms)
{
	for (unsigned i = 0; i < s->hosts; i++) {
		struct scene_round r = { .seq = seq, .calm = i % BUSY ? CALM : 0 };

		wait_until(due_ms + SPREAD_MS * i / s->hosts);
		r.age_ms = (uint32_t)(clock_wall_ms(clock_system()) - due_ms);
		send_frame(s, fd, i, &r);
	}
}

pid_t
agents_start(const struct scene *s, uint64_t due_ms, unsigned n, int *ret_fd)
{
	int ends[2];
	pid_t pid;

	ASSERT(!pipe(ends));
	pid = fork();
	ASSERT(pid >= 0);
	if (pid) {
		close(ends[1]);
		*ret_fd = ends[0];
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	close(ends[0]);
	for (unsigned i = 0; i < n; i++)
		send_step(s, ends[1], i + 1, due_ms + i * STEP_MS);
	_exit(0);
}
