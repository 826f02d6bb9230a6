#include "host-agent/fence/guard_client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/fence/guard_wire.h"
#include "loop/child.h"
#include "loop/fd_watch.h"

#define CLIENT_MAGIC 0x47434c49u
#define SOCKET_NAME  "guard.sock"
#define BACKLOG      4
#define WORDS_MAX    512
#define OWN_MAX      8
#define PROC_MAX     4096

struct guard_client {
	uint32_t magic;
	struct loop *loop;
	guard_changed_fn changed;
	void *arg;
	struct child *child; /* the guard, if it is ours */
	int fd;              /* -1: not connected any more */
	struct fd_watch *says;
	int pidfd; /* of the first process */
	struct fd_watch *gone;
	bool is_gone; /* the first process, and so all of them */
	bool released;
	uint64_t serial;
	uint64_t asked_us; /* the deadline that was asked for last */
	struct guard_state state;
};

/* ---- the socket ---- */

struct door {
	int folder, fd;
	struct sockaddr_un at;
};

static void
door_fini(struct door *d)
{
	if (d->folder >= 0)
		close(d->folder);
	if (d->fd >= 0)
		close(d->fd);
}

/* Through the folder's descriptor: its path may be longer than an address can be. */
static int
door_init(struct door *d, const char *dir, struct err *e)
{
	*d = (struct door){ .folder = -1, .fd = -1, .at.sun_family = AF_UNIX };
	d->folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->folder < 0)
		return err_sys(e, ERR_IO, errno, "cannot open %s", dir);
	snprintf(d->at.sun_path, sizeof(d->at.sun_path),
	    "/proc/self/fd/%d/" SOCKET_NAME, d->folder);
	d->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0)
		return err_sys(e, ERR_IO, errno, "cannot make a socket for %s", dir);
	return 0;
}

static int
listen_in(const char *dir, int *ret_fd, struct err *e)
{
	struct door d;
	int rc = door_init(&d, dir, e);

	if (!rc) {
		unlinkat(d.folder, SOCKET_NAME, 0);
		if (bind(d.fd, (struct sockaddr *)&d.at, sizeof(d.at)) ||
		    listen(d.fd, BACKLOG))
			rc = err_sys(
			    e, ERR_IO, errno, "cannot listen at %s/" SOCKET_NAME, dir);
	}
	if (!rc)
		*ret_fd = MOVE_FD(d.fd);
	door_fini(&d);
	return rc;
}

static int
connect_in(const char *dir, int *ret_fd, struct err *e)
{
	struct door d;
	int rc = door_init(&d, dir, e);

	if (!rc && connect(d.fd, (struct sockaddr *)&d.at, sizeof(d.at)))
		rc = err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_LOST, errno,
		    "cannot reach the guard at %s/" SOCKET_NAME, dir);
	if (!rc)
		*ret_fd = MOVE_FD(d.fd);
	door_fini(&d);
	return rc;
}

static int
send_ask(
    int fd, enum guard_verb verb, uint64_t serial, uint64_t deadline_us, struct err *e)
{
	struct guard_ask a = {
		.magic = GUARD_MAGIC,
		.version = GUARD_VERSION,
		.verb = (uint16_t)verb,
		.serial = serial,
		.deadline_us = deadline_us,
	};

	if (send(fd, &a, sizeof(a), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(a))
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS)
		return err_set(e, ERR_BUSY, "its guard has not taken earlier orders");
	return err_sys(e, ERR_LOST, errno, "cannot speak to its guard");
}

static int
ask(struct guard_client *c, enum guard_verb verb, uint64_t deadline_us, struct err *e)
{
	if (c->fd < 0)
		return err_set(e, ERR_LOST, "its guard does not listen any more");
	return send_ask(c->fd, verb, ++c->serial, deadline_us, e);
}

/* ---- what is heard ---- */

static void
tell(struct guard_client *c)
{
	struct guard_state s = c->state;

	c->changed(c->arg, &s);
}

static void
hang_up(struct guard_client *c)
{
	fd_watch_free(MOVE(c->says));
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state.heard = false;
}

/* What was asked for may have been obeyed without a word. */
static bool
is_over(const struct guard_client *c)
{
	uint64_t now_us = clock_mono_us(loop_clock(c->loop));

	return c->state.deadline_us <= now_us || c->asked_us <= now_us;
}

/* Without its guard it was killed; with it, the guard says how it ended. */
static bool
check_killed(struct guard_client *c)
{
	if (c->fd >= 0 || !c->is_gone || c->state.life != GUARD_LIFE_RUNS)
		return false;
	c->state.life = GUARD_LIFE_KILLED;
	c->state.over = is_over(c);
	return true;
}

static void
on_gone(void *arg)
{
	struct guard_client *c = CAST_OBJ(guard_client, arg, CLIENT_MAGIC);

	c->is_gone = true;
	if (check_killed(c))
		tell(c);
}

static void
on_guard_end(struct child *child, const struct child_result *r, void *arg)
{
	struct guard_client *c = CAST_OBJ(guard_client, arg, CLIENT_MAGIC);

	c->child = NULL;
	if (c->state.life != GUARD_LIFE_STARTS)
		return;
	hang_up(c);
	c->state.life = GUARD_LIFE_FAILED;
	c->state.over = is_over(c);
	if (!child_err(r, "its guard", &c->state.why))
		err_set(&c->state.why, ERR_LOST, "its guard ended at once");
	tell(c);
}

static const char *const stage_texts[GUARD_STAGES_] = {
	[GUARD_STAGE_NONE] = "cannot start",
	[GUARD_STAGE_FORK] = "cannot fork into a namespace",
	[GUARD_STAGE_CGROUP] = "cannot enter its cgroups",
	[GUARD_STAGE_MOUNT] = "cannot mount a /proc for it",
	[GUARD_STAGE_DROP] = "cannot drop its rights",
	[GUARD_STAGE_PARENT] = "cannot tie it to its guard",
	[GUARD_STAGE_EXEC] = "cannot run its program",
};

static void
take_pidfd(struct guard_client *c, struct msghdr *m)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(m);
	int fd;

	if (!head || head->cmsg_type != SCM_RIGHTS ||
	    head->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	if (c->pidfd >= 0) {
		close(fd);
		return;
	}
	c->pidfd = fd;
	c->gone = fd_watch_new(c->loop, fd, FD_READ, on_gone, c);
	fd_watch_once(c->gone);
}

/* Has anything but the deadline changed? */
static bool
take_say(struct guard_client *c, const struct guard_say *s)
{
	static const enum guard_life lives[] = {
		[GUARD_RUNNING] = GUARD_LIFE_RUNS,
		[GUARD_FAILED] = GUARD_LIFE_FAILED,
		[GUARD_ENDED] = GUARD_LIFE_ENDED,
	};
	struct guard_state *st = &c->state;
	enum guard_life was = st->life;

	st->life = lives[s->phase];
	st->deadline_us =
	    s->flags & GUARD_IS_ARMED ? s->deadline_us : GUARD_NO_DEADLINE;
	st->locked = s->flags & GUARD_IS_LOCKED;
	st->pid = s->pid;
	st->status = s->status;
	if (st->life == GUARD_LIFE_FAILED && was != st->life)
		err_sys(&st->why, ERR_IO, s->sys, "%s",
		    stage_texts[s->stage > 0 && s->stage < GUARD_STAGES_ ? s->stage
									 : 0]);
	return st->life != was;
}

static bool
is_sane(const struct guard_say *s, ssize_t n)
{
	return n == (ssize_t)sizeof(*s) && s->magic == GUARD_MAGIC && s->version >= 1 &&
	       s->phase >= GUARD_RUNNING && s->phase <= GUARD_ENDED;
}

/* One packet.  1: there was one that changed something; -1: there is no guard. */
static int
read_one(struct guard_client *c)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room = { .bytes = { 0 } };
	struct guard_say s = { 0 };
	struct iovec v = { &s, sizeof(s) };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes) };
	ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0)
		take_pidfd(c, &m);
	if (!is_sane(&s, n))
		return -1;
	return take_say(c, &s) ? 1 : 0;
}

static void
on_says(void *arg)
{
	struct guard_client *c = CAST_OBJ(guard_client, arg, CLIENT_MAGIC);
	int rc = read_one(c);
	/* One that ends before it says a word is told about with its exit status. */
	bool expected = c->released || (c->child && c->state.life == GUARD_LIFE_STARTS);

	if (rc >= 0)
		fd_watch_once(c->says);
	else
		hang_up(c);
	if (rc < 0)
		check_killed(c);
	if (rc > 0 || (rc < 0 && !expected))
		tell(c);
}

/* ---- start and end ---- */

static struct guard_client *
client_new(struct loop *l, int fd_take, guard_changed_fn changed, void *arg)
{
	struct guard_client *c = xcalloc(1, sizeof(*c));

	c->magic = CLIENT_MAGIC;
	c->loop = l;
	c->changed = changed;
	c->arg = arg;
	c->fd = fd_take;
	c->pidfd = -1;
	c->state.heard = true;
	c->state.deadline_us = c->asked_us = GUARD_NO_DEADLINE;
	c->says = fd_watch_new(l, c->fd, FD_READ, on_says, c);
	fd_watch_once(c->says);
	return c;
}

void
guard_client_free(struct guard_client *c)
{
	if (!c)
		return;
	ASSERT(c->magic == CLIENT_MAGIC);
	hang_up(c);
	fd_watch_free(c->gone);
	if (c->pidfd >= 0)
		close(c->pidfd);
	child_free(c->child);
	c->magic = 0;
	free(c);
}

/* The guard's command line; what it allocates is freed with it. */
struct words {
	const char *v[WORDS_MAX + 1];
	char *own[OWN_MAX];
	size_t n, n_own;
};

static int
add(struct words *w, const char *s, struct err *e)
{
	if (w->n == WORDS_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "a guest's command line has more than %d words", WORDS_MAX);
	w->v[w->n++] = s;
	return 0;
}

static int
add_number(struct words *w, const char *name, uint64_t n, struct err *e)
{
	int rc = add(w, name, e);

	w->own[w->n_own] = xasprintf("%" PRIu64, n);
	return rc ? rc : add(w, w->own[w->n_own++], e);
}

static int
build_words(struct words *w, const struct guard_opts *o, struct err *e)
{
	int rc = add(w, o->guard, e);

	if (!rc)
		rc = add(w, o->argv ? "run" : "hold", e);
	if (!rc)
		rc = add_number(w, "--listen", 3 + o->n_pass_fds, e);
	if (!rc && o->deadline_us != GUARD_NO_DEADLINE)
		rc = add_number(w, "--deadline", o->deadline_us, e);
	if (!rc && (o->uid || o->gid)) {
		rc = add_number(w, "--uid", o->uid, e);
		if (!rc)
			rc = add_number(w, "--gid", o->gid, e);
	}
	for (const char *const *g = o->join_cgroups; !rc && g && *g; g++) {
		rc = add(w, "--cgroup", e);
		if (!rc)
			rc = add(w, *g, e);
	}
	if (!rc && o->argv)
		rc = add(w, "--", e);
	for (const char *const *a = o->argv; !rc && a && *a; a++)
		rc = add(w, *a, e);
	return rc;
}

static int
launch(struct guard_client *c, const struct guard_opts *o, int listen_fd, struct err *e)
{
	AUTO_FREE int *fds = xcalloc(o->n_pass_fds + 1, sizeof(int));
	struct words w = { .n = 0 };
	struct child_opts run = {
		.argv = w.v,
		.cwd = o->cwd,
		.pass_fds = fds,
		.n_pass_fds = o->n_pass_fds + 1,
		.stdout_path = o->output_path,
		.stderr_path = o->output_path,
		.detach = true,
	};
	int rc = build_words(&w, o, e);

	if (o->n_pass_fds)
		memcpy(fds, o->pass_fds, o->n_pass_fds * sizeof(int));
	fds[o->n_pass_fds] = listen_fd;
	if (!rc)
		rc = child_start(c->loop, &run, on_guard_end, c, &c->child, e);
	while (w.n_own)
		free(w.own[--w.n_own]);
	return rc;
}

int
guard_client_start(struct loop *l, const struct guard_opts *o, guard_changed_fn changed,
    void *arg, struct guard_client **ret_c, struct err *e)
{
	AUTO_CLOSE int listen_fd = -1;
	AUTO_CLOSE int fd = -1;
	struct guard_client *c;
	int rc = listen_in(o->dir, &listen_fd, e);

	/* Our end is connected before the guard exists: it finds it waiting. */
	if (!rc)
		rc = connect_in(o->dir, &fd, e);
	if (rc)
		return rc;
	c = client_new(l, MOVE_FD(fd), changed, arg);
	c->asked_us = o->deadline_us;
	rc = ask(c, GUARD_HELLO, 0, e);
	if (!rc)
		rc = launch(c, o, listen_fd, e);
	if (rc) {
		guard_client_free(c);
		return rc;
	}
	*ret_c = c;
	return 0;
}

int
guard_client_adopt(struct loop *l, const char *dir, guard_changed_fn changed, void *arg,
    struct guard_client **ret_c, struct err *e)
{
	struct guard_client *c;
	int fd = -1, rc = connect_in(dir, &fd, e);

	if (rc)
		return rc;
	c = client_new(l, fd, changed, arg);
	rc = ask(c, GUARD_HELLO, 0, e);
	if (rc) {
		guard_client_free(c);
		return rc;
	}
	*ret_c = c;
	return 0;
}

void
guard_client_dismiss(const char *dir)
{
	AUTO_CLOSE int fd = -1;

	/* One that cannot be asked goes by itself after a while. */
	if (!connect_in(dir, &fd, NULL))
		(void)send_ask(fd, GUARD_RELEASE, 1, 0, NULL);
}

/* ---- orders ---- */

const struct guard_state *
guard_client_state(const struct guard_client *c)
{
	return &c->state;
}

int
guard_client_arm(struct guard_client *c, uint64_t deadline_us, struct err *e)
{
	int rc = deadline_us == GUARD_NO_DEADLINE ? ask(c, GUARD_DISARM, 0, e)
						  : ask(c, GUARD_ARM, deadline_us, e);

	if (!rc)
		c->asked_us = deadline_us;
	return rc;
}

int
guard_client_kill(struct guard_client *c, struct err *e)
{
	/* The guard may be stopped, or be slow: what it guards need not wait for it. */
	if (c->pidfd >= 0 && pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0) &&
	    errno != ESRCH)
		return err_sys(
		    e, ERR_IO, errno, "cannot kill process %d", (int)c->state.pid);
	return c->pidfd >= 0 ? 0 : ask(c, GUARD_KILL, 0, e);
}

int
guard_client_release(struct guard_client *c, struct err *e)
{
	c->released = true;
	return ask(c, GUARD_RELEASE, 0, e);
}

int
guard_client_pidfd(const struct guard_client *c)
{
	return c->pidfd;
}

/* The next number of *at, and behind it; false at the end. */
static bool
take_pid(const char **at, pid_t *ret_pid)
{
	char *end;
	long n = strtol(*at, &end, 10);

	if (end == *at || n <= 0 || n > INT32_MAX)
		return false;
	*at = end;
	*ret_pid = (pid_t)n;
	return true;
}

/* A file of the kernel's, as far as it fits. */
static int
read_proc(const char *path, char *buf, size_t n, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, buf, n - 1);

	if (got < 0)
		return err_sys(e, ERR_LOST, errno, "cannot read %s", path);
	buf[got] = '\0';
	return 0;
}

/* "NSpid: 4711 17 1": its names from our namespace inwards; the second is the guard's.
 */
static bool
is_called(pid_t pid, pid_t inner)
{
	static const char line[] = "\nNSpid:";
	AUTO_FREE char *path = xasprintf("/proc/%d/status", (int)pid);
	char text[PROC_MAX];
	const char *at;
	pid_t ours, theirs;

	if (read_proc(path, text, sizeof(text), NULL))
		return false;
	at = strstr(text, line);
	if (!at)
		return false;
	at += sizeof(line) - 1;
	return take_pid(&at, &ours) && take_pid(&at, &theirs) && theirs == inner;
}

int
guard_client_outer_pid(
    const struct guard_client *c, pid_t inner, pid_t *ret_pid, struct err *e)
{
	AUTO_FREE char *path = xasprintf(
	    "/proc/%d/task/%d/children", (int)c->state.pid, (int)c->state.pid);
	char text[PROC_MAX];
	const char *at = text;
	int rc = read_proc(path, text, sizeof(text), e);
	pid_t pid;

	while (!rc && take_pid(&at, &pid)) {
		if (!is_called(pid, inner))
			continue;
		*ret_pid = pid;
		return 0;
	}
	return rc ? rc
		  : err_set(e, ERR_NOT_FOUND,
			"process %d has no child that is %d in its namespace",
			(int)c->state.pid, (int)inner);
}
