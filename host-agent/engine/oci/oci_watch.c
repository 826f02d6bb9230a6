#include "host-agent/engine/oci/oci_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_int.h"

/* Since Linux 6.15 a pidfd tells the status of a process that was not our child. */
struct pidfd_end {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

#define PIDFD_GET_END  _IOWR(0xFF, 11, struct pidfd_end)
#define PIDFD_END_EXIT (1u << 3)
/* Fields of /proc/PID/stat. */
#define STAT_STATE 3
#define STAT_START 22
#define STAT_EXIT  52

#define HEARTBEAT_MS 15000u /* between two looks at it */

/* Field n of /proc/PID/stat; from is behind the name, where field 3 begins. */
static const char *
stat_field(const char *from, int n)
{
	for (int field = 2; field < n && from; field++)
		from = strchr(from + 1, ' ');
	return from ? from + 1 : "";
}

/* Of the first process, from behind its name on; NULL: it is gone. */
static const char *
read_stat(const struct oci_guest *c, char *buf, size_t cap)
{
	AUTO_CLOSE int fd = -1;
	char path[64];
	const char *from;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)c->run.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, cap - 1);
	buf[n > 0 ? n : 0] = '\0';
	/* The name in parentheses may hold anything. */
	from = strrchr(buf, ')');
	return from && strtoull(stat_field(from, STAT_START), NULL, 10) == c->run.ticks
		   ? from
		   : NULL;
}

/* Until its parent has taken notice the process tells itself how it ended. */
static bool
read_zombie(const struct oci_guest *c, int *ret_status)
{
	char buf[1024];
	const char *from = read_stat(c, buf, sizeof(buf));

	if (!from || *stat_field(from, STAT_STATE) != 'Z')
		return false;
	*ret_status = (int)strtol(stat_field(from, STAT_EXIT), NULL, 10);
	return true;
}

/* And afterwards its descriptor does. */
static bool
read_reaped(const struct oci_guest *c, int *ret_status)
{
	struct pidfd_end end = { .mask = PIDFD_END_EXIT };

	if (c->pidfd < 0 || ioctl(c->pidfd, PIDFD_GET_END, &end) ||
	    !(end.mask & PIDFD_END_EXIT))
		return false;
	*ret_status = end.exit_code;
	return true;
}

static void
on_gone(void *arg)
{
	struct oci_guest *c = arg;

	c->status_known = read_zombie(c, &c->status) || read_reaped(c, &c->status);
	c->ended = true;
	oci_unwatch(c);
	post_wake(c->g.engine->loop, c->exit_wake, 0, NULL);
	post_wake(c->g.engine->loop, c->gone_wake, 0, NULL);
	if (!c->shows_end)
		oci_bury(c);
}

int
oci_watch(struct oci_guest *c, struct err *e)
{
	int rc;

	oci_unwatch(c);
	c->ended = c->status_known = false;
	rc = pid_watch_new(
	    c->g.engine->loop, c->run.pid, c->run.ticks, on_gone, c, &c->watch, e);
	if (rc)
		return rc;
	c->pidfd = pidfd_open(c->run.pid, 0);
	c->g.stat.pid = c->run.pid;
	c->g.stat.start_ticks = c->run.ticks;
	return 0;
}

void
oci_unwatch(struct oci_guest *c)
{
	if (c->watch)
		pid_watch_free(MOVE(c->watch));
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->pidfd = -1;
}

void
oci_program(const struct oci_guest *c, char *buf, size_t n)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)c->run.pid);
	len = readlink(path, buf, n - 1);
	buf[len > 0 ? len : 0] = '\0';
}

/* ---- what it uses ---- */

/* The number in a file of the guest's group, behind key if there is one. */
static uint64_t
group_number(
    const struct oci_guest *c, const char *tree, const char *file, const char *key)
{
	AUTO_FREE char *path =
	    xasprintf(OCI_CGROUPS "/%s%s/%s", tree, c->run.cgroup, file);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[1024];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	const char *at = buf;

	if (n <= 0)
		return 0;
	buf[n] = '\0';
	if (key)
		at = strstr(buf, key);
	return at ? strtoull(at + (key ? strlen(key) : 0), NULL, 10) : 0;
}

void
oci_stat(struct oci_guest *c)
{
	struct engine_stat *s = &c->g.stat;
	bool v2 = !access(OCI_CGROUPS "/cgroup.controllers", F_OK);

	s->num_cpu = c->spec ? c->spec->num_cpu : 0;
	s->memory_mb = c->spec ? c->spec->memory_mb : 0;
	s->image = c->run.n_loops ? makedev(LOOP_MAJOR, c->run.loops[0]) : 0;
	if (!*c->run.cgroup)
		return;
	s->cpu_used_us = v2 ? group_number(c, "", "cpu.stat", "usage_usec ")
			    : group_number(c, "cpuacct/", "cpuacct.usage", NULL) / 1000;
	s->memory_used_bytes =
	    v2 ? group_number(c, "", "memory.current", NULL)
	       : group_number(c, "memory/", "memory.usage_in_bytes", NULL);
}

/*
 * A container has no agent inside, but its kernel is ours: its heart beats while its
 * first process is neither stopped nor dead.  One that waits for storage is not to
 * blame for that, and a reset would not help it.
 */
const struct engine_inside *
oci_op_inside(struct engine_guest *g)
{
	struct oci_guest *c = oci_guest_of(g);
	uint64_t now_ms = clock_wall_ms(loop_clock(g->engine->loop));
	uint64_t last_ms = c->inside.heartbeat_ms;
	char buf[1024];

	if (last_ms && now_ms >= last_ms && now_ms < last_ms + HEARTBEAT_MS)
		return &c->inside;
	const char *from = c->ended ? NULL : read_stat(c, buf, sizeof(buf));
	if (from && !strchr("TtZX", *stat_field(from, STAT_STATE)))
		c->inside.heartbeat_ms = now_ms;
	return &c->inside;
}
