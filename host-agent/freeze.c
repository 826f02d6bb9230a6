#include "host-agent/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lease.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/agent_conf.h"
#include "host-agent/fence/fence.h"
#include "host-agent/record/record.h"
#include "loop/timer.h"

#define LOOK_MS   100u
#define LIMIT_MS  15000u /* for the leader's answer and the guards' */
#define WAIT_MS   20000u
#define OK        "ok"
#define MAX_REPLY 400

struct freeze {
	struct loop *loop;
	struct fence *fence;
	struct timer *look;
	char *path;
	uint64_t began_ms;
};

/* ---- in the agent ---- */

static void
reply(struct freeze *z, const char *text)
{
	struct err e = ERR_INIT;

	timer_stop(z->look);
	if (record_file_swap(z->path, text, &e))
		log_err("agent", "%s", e.msg);
}

static void
on_look(void *arg)
{
	struct freeze *z = arg;
	struct err e = ERR_INIT;

	if (fence_is_frozen(z->fence, &e)) {
		log_notice("agent", "frozen: this agent may be exchanged");
		reply(z, OK);
	} else if (loop_now_ms(z->loop) >= z->began_ms + LIMIT_MS) {
		log_warn("agent", "not frozen: %s", e.msg);
		reply(z, e.msg);
	}
}

static void
on_signal(void *arg)
{
	struct freeze *z = arg;

	log_notice("agent", "asked to freeze");
	z->began_ms = loop_now_ms(z->loop);
	fence_freeze(z->fence);
	timer_every(z->look, LOOK_MS);
}

struct freeze *
freeze_new(struct loop *l, struct fence *fence, const char *state_dir)
{
	struct freeze *z = xcalloc(1, sizeof(*z));
	struct err e = ERR_INIT;

	z->loop = l;
	z->fence = fence;
	z->look = timer_new(l, on_look, z);
	z->path = xasprintf("%s/freeze", state_dir);
	unlink(z->path);
	if (loop_on_signal(l, SIGUSR1, on_signal, z, &e))
		log_err("agent", "this agent cannot be frozen: %s", e.msg);
	return z;
}

/* The signal's handler goes with the loop, which does not turn any more. */
void
freeze_free(struct freeze *z)
{
	if (!z)
		return;
	timer_free(z->look);
	free(z->path);
	free(z);
}

/* ---- beside it ---- */

/* Its lock file has its number in it, and is locked while it lives. */
static int
find_agent(const char *state_dir, pid_t *ret_pid, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/lock", state_dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[24] = "";
	uint64_t pid;

	if (fd < 0)
		return err_sys(e, ERR_NOT_FOUND, errno, "cannot open %s", path);
	if (!flock(fd, LOCK_SH | LOCK_NB))
		return err_set(e, ERR_NOT_FOUND, "no agent runs on %s", state_dir);
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return err_set(e, ERR_CORRUPT, "%s names no agent", path);
	text[strcspn(text, "\n")] = '\0';
	if (parse_u64(text, 2, INT32_MAX, path, &pid, e))
		return e->code;
	*ret_pid = (pid_t)pid;
	return 0;
}

/* Not yet there: "". */
static void
read_reply(const char *path, char *out, size_t cap)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? 0 : pread(fd, out, cap - 1, 0);

	out[n > 0 ? n : 0] = '\0';
}

static int
await(const char *path, struct err *e)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	uint64_t end_ms = clock_mono_ms(clock_system()) + WAIT_MS;
	char text[MAX_REPLY];

	for (;;) {
		read_reply(path, text, sizeof(text));
		if (!strcmp(text, OK))
			return 0;
		if (*text)
			return err_set(e, ERR_BUSY, "not frozen: %s", text);
		if (clock_mono_ms(clock_system()) >= end_ms)
			return err_set(e, ERR_TIMEOUT,
			    "not frozen: the agent has not answered in %u s",
			    WAIT_MS / 1000);
		(void)nanosleep(&pause, NULL);
	}
}

int
freeze_run(const struct agent_conf *c, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/freeze", c->state_dir);
	pid_t pid = 0;
	int rc = find_agent(c->state_dir, &pid, e);

	if (rc)
		return rc;
	unlink(path);
	if (kill(pid, SIGUSR1))
		return err_sys(e, ERR_IO, errno, "cannot tell the agent");
	rc = await(path, e);
	if (!rc)
		printf(
		    "frozen: the guests live on without their agent; the next one has "
		    "to be there within %u s\n",
		    LEASE_FREEZE_MS / 2000);
	return rc;
}
