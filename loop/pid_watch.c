#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/child.h"
#include "loop/loop_int.h"

#define PID_WATCH_MAGIC 0x50494457u
#define START_FIELD     22 /* of /proc/PID/stat, counted from 1 */

struct pid_watch {
	uint32_t magic;
	struct loop *loop;
	struct list_node node; /* in the loop's watched */
	pid_t pid;
	int fd;
	struct event *ev;
	struct post post;
};

static void
on_gone(evutil_socket_t fd, short what, void *arg)
{
	struct pid_watch *w = CAST_OBJ(pid_watch, arg, PID_WATCH_MAGIC);

	event_del(w->ev);
	post_add(w->loop, &w->post);
}

int
pid_watch_new(struct loop *l, pid_t pid, uint64_t start_ticks, loop_fn gone, void *arg,
    struct pid_watch **ret_w, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct pid_watch *w;
	uint64_t ticks = 0;
	int rc;

	if (pid <= 0)
		return err_set(e, ERR_INVALID, "%d is no process id", (int)pid);
	fd = pidfd_open(pid, 0);
	if (fd < 0)
		return err_sys(e, errno == ESRCH ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot watch process %d", (int)pid);
	/* After the open: what the descriptor holds cannot be another process any more.
	 */
	if (start_ticks) {
		rc = pid_start_ticks(pid, &ticks, e);
		if (rc)
			return rc;
		if (ticks != start_ticks)
			return err_set(e, ERR_NOT_FOUND,
			    "process %d is another one that reuses its number",
			    (int)pid);
	}
	w = xcalloc(1, sizeof(*w));
	w->magic = PID_WATCH_MAGIC;
	w->loop = l;
	w->pid = pid;
	list_add_tail(&l->watched, &w->node);
	w->fd = MOVE_FD(fd);
	w->post = (struct post){ .fn = gone, .arg = arg, .name = "process end" };
	w->ev = event_new(l->base, w->fd, EV_READ | EV_PERSIST, on_gone, w);
	ASSERT(w->ev && !event_add(w->ev, NULL));
	*ret_w = w;
	return 0;
}

void
pid_watch_free(struct pid_watch *w)
{
	if (!w)
		return;
	ASSERT(w->magic == PID_WATCH_MAGIC);
	list_remove(&w->node);
	post_remove(w->loop, &w->post);
	event_free(w->ev);
	close(w->fd);
	orphans_reap(w->loop);
	w->magic = 0;
	free(w);
}

bool
pid_is_watched(const struct loop *l, pid_t pid)
{
	LIST_EACH(const struct pid_watch, w, &l->watched, node) {
		if (w->pid == pid)
			return true;
	}
	return false;
}

int
pid_start_ticks(pid_t pid, uint64_t *ret_ticks, struct err *e)
{
	char path[48], buf[1024];
	AUTO_CLOSE int fd = -1;
	const char *p;
	char *end;
	uint64_t ticks;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "process %d", (int)pid);
	n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		return err_sys(e, errno == ESRCH ? ERR_NOT_FOUND : ERR_IO, errno,
		    "process %d", (int)pid);
	buf[n] = '\0';
	/* Field 2 is the name in brackets and may hold anything, brackets too. */
	p = strrchr(buf, ')');
	for (int field = 2; p && field < START_FIELD; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return err_set(e, ERR_CORRUPT, "%s has no start time", path);
	ticks = strtoull(p + 1, &end, 10);
	if (end == p + 1)
		return err_set(e, ERR_CORRUPT, "%s has no start time", path);
	*ret_ticks = ticks;
	return 0;
}
