#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child_int.h"
#include "loop/loop_int.h"
#include "loop/timer.h"

#define CHILD_MAGIC        0x4348494cu
#define PRESET_MAX_OUTPUT  UINT64_C(65536)
#define KILL_AFTER_TERM_MS 2000
#define READ_CHUNK         16384
#define MAX_READS_AT_ONCE  16
#define MAX_READS_AT_END   256 /* 4 MiB: more than a pipe ever holds */
#define REAP_WAIT_MS       1000

/* One captured stream. */
struct capture {
	int fd; /* -1: not captured or at its end */
	struct event *ev;
	struct str text;
	uint64_t max;
};

struct child {
	uint32_t magic;
	struct loop *loop;
	child_fn done;
	void *arg;
	pid_t pid;
	int pidfd;
	struct event *ended;
	struct post post;
	bool detach;
	bool reaped;
	bool in_done;
	bool timed_out;
	struct timer *deadline;
	struct capture out, err_out;
	int in_fd;
	struct event *in_ev;
	char *input;
	size_t input_len, input_at;
	struct list_node node;     /* in the loop's forgotten */
	struct list_node all_node; /* in its children */
};

/* The descriptors of a start: ours and the child's ends. */
struct pipes {
	int in[2], out[2], err_out[2], report[2];
};

static const char *const preset_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8", NULL
};

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_pipes(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		close_fd(&p->in[i]);
		close_fd(&p->out[i]);
		close_fd(&p->err_out[i]);
		close_fd(&p->report[i]);
	}
}

/* The child's stdout or stderr: fds[1]; ours, if it is captured: fds[0]. */
static int
open_output(const char *path, int fds[2], struct err *e)
{
	if (path) {
		fds[1] = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
		if (fds[1] < 0)
			return err_sys(e, ERR_IO, errno, "cannot open %s", path);
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "cannot make a pipe");
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static int
open_pipes(const struct child_opts *o, struct pipes *p, struct err *e)
{
	if (o->input) {
		if (pipe2(p->in, O_CLOEXEC))
			return err_sys(e, ERR_IO, errno, "cannot make a pipe");
		fcntl(p->in[1], F_SETFL, O_NONBLOCK);
	} else {
		p->in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (p->in[0] < 0)
			return err_sys(e, ERR_IO, errno, "cannot open /dev/null");
	}
	if (open_output(o->stdout_path, p->out, e) ||
	    open_output(o->stderr_path, p->err_out, e))
		return ERR_IO;
	if (pipe2(p->report, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "cannot make a pipe");
	return 0;
}

static int
exec_failed(const struct child_opts *o, const struct exec_failure *f, struct err *e)
{
	const char *prog = o->argv[0];

	switch (f->stage) {
	case EXEC_FDS:
		return err_sys(
		    e, ERR_IO, f->sys, "%s: cannot pass descriptors on", prog);
	case EXEC_CGROUP:
		return err_sys(e, ERR_IO, f->sys, "%s: cannot enter its cgroups", prog);
	case EXEC_LIMITS:
		return err_sys(e, ERR_IO, f->sys, "%s: cannot set its limits", prog);
	case EXEC_CWD:
		return err_sys(e, ERR_IO, f->sys, "%s: cannot change to %s", prog,
		    o->cwd ? o->cwd : "/");
	case EXEC_DROP:
		return err_sys(e, ERR_IO, f->sys, "%s: cannot drop rights to %u:%u",
		    prog, o->uid, o->gid);
	case EXEC_CONFINE:
		return err_sys(e, ERR_IO, f->sys, "%s: cannot confine it", prog);
	case EXEC_PARENT:
		return err_set(e, ERR_IO, "%s: its parent has gone", prog);
	case EXEC_PROGRAM:
	case EXEC_OK:
		break;
	}
	return err_sys(e, ERR_IO, f->sys, "cannot run %s", prog);
}

static void
wait_for(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
}

/* Wait until the child has become its program, or read why not and bury it. */
static int
await_exec(const struct child_opts *o, pid_t pid, int report_fd, struct err *e)
{
	struct exec_failure f = { EXEC_OK, 0 };
	ssize_t n;

	do
		n = read(report_fd, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	wait_for(pid, NULL);
	return exec_failed(o, &f, e);
}

static pid_t
start_copy(const struct exec_plan *plan)
{
	pid_t pid = fork();

	if (pid == 0)
		child_exec(plan);
	return pid;
}

/*
 * In our memory, and while we wait: our page tables are not copied, which takes the
 * longer the larger we are, and we need not fault on each page that we write
 * afterwards (ADR 0040).  Not where it would touch that memory: a change of ids makes
 * it one that is not dumped any more, and a control group may take it along.
 */
static pid_t
start_child(const struct exec_plan *plan)
{
	const struct child_opts *o = plan->opts;
	pid_t pid;

	if (o->uid || o->gid || o->join_cgroups)
		return start_copy(plan);
	pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
	if (pid == 0)
		child_exec(plan); /* NOLINT(clang-analyzer-unix.Vfork) */
	return pid;
}

static int
spawn(const struct child_opts *o, struct pipes *p, pid_t *ret_pid, struct err *e)
{
	AUTO_FREE int *moved = xcalloc(4 + o->n_pass_fds, sizeof(int));
	struct exec_plan plan = {
		.opts = o,
		.env = o->env ? o->env : preset_env,
		.fds = { p->in[0], p->out[1], p->err_out[1] },
		.report_fd = p->report[1],
		.parent = getpid(),
		.moved = moved,
	};
	sigset_t all, old;
	pid_t pid;
	int sys;

	/* Until the child has reset them, a handler of ours must not run in it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = start_child(&plan);
	sys = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_sys(e, ERR_IO, sys, "cannot fork for %s", o->argv[0]);
	close_fd(&p->report[1]);
	if (await_exec(o, pid, p->report[0], e))
		return ERR_IO;
	*ret_pid = pid;
	return 0;
}

static void
end_capture(struct capture *c)
{
	if (c->ev)
		event_free(c->ev);
	c->ev = NULL;
	close_fd(&c->fd);
}

/* Take what is in the pipe, in at most max_reads portions. */
static void
read_some(struct capture *c, int max_reads)
{
	char buf[READ_CHUNK];
	ssize_t n;
	uint64_t room;

	while (c->fd >= 0 && max_reads-- > 0) {
		n = read(c->fd, buf, sizeof(buf));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			end_capture(c);
			return;
		}
		room = c->max - c->text.len;
		str_addn(&c->text, buf, (uint64_t)n < room ? (size_t)n : (size_t)room);
	}
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	read_some(arg, MAX_READS_AT_ONCE);
}

static void
end_input(struct child *c)
{
	if (c->in_ev)
		event_free(c->in_ev);
	c->in_ev = NULL;
	close_fd(&c->in_fd);
	free(c->input);
	c->input = NULL;
}

static void
on_input_room(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = CAST_OBJ(child, arg, CHILD_MAGIC);
	ssize_t n = write(c->in_fd, c->input + c->input_at, c->input_len - c->input_at);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->input_at += (size_t)n;
	/* A program that stops reading its input says so by its exit status. */
	if (n < 0 || c->input_at == c->input_len)
		end_input(c);
}

static struct event *
watch(struct loop *l, int fd, short what, event_callback_fn fn, void *arg)
{
	struct event *ev = event_new(l->base, fd, (short)(what | EV_PERSIST), fn, arg);

	ASSERT(ev && !event_add(ev, NULL));
	return ev;
}

static void
on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = CAST_OBJ(child, arg, CHILD_MAGIC);

	event_del(c->ended);
	post_add(c->loop, &c->post);
}

static void
release(struct child *c)
{
	post_remove(c->loop, &c->post);
	list_remove(&c->node);
	list_remove(&c->all_node);
	end_capture(&c->out);
	end_capture(&c->err_out);
	end_input(c);
	str_fini(&c->out.text);
	str_fini(&c->err_out.text);
	timer_free(c->deadline);
	if (c->ended)
		event_free(c->ended);
	close_fd(&c->pidfd);
	c->magic = 0;
	free(c);
}

/* The process has ended: tell, unless it was forgotten. */
static void
bury(void *arg)
{
	struct child *c = CAST_OBJ(child, arg, CHILD_MAGIC);
	struct loop *l = c->loop;
	struct child_result r = { .timed_out = c->timed_out };

	wait_for(c->pid, &r.status);
	c->reaped = true;
	if (c->done) {
		/* A grandchild may keep a pipe open for ever: what is in it now counts.
		 */
		read_some(&c->out, MAX_READS_AT_END);
		read_some(&c->err_out, MAX_READS_AT_END);
		r.out = str_cstr(&c->out.text);
		r.out_len = c->out.text.len;
		r.err_out = str_cstr(&c->err_out.text);
		r.err_len = c->err_out.text.len;
		c->in_done = true;
		c->done(c, &r, c->arg);
	}
	release(c);
	orphans_reap(l);
}

static void
signal_all(const struct child *c, int signo)
{
	/* The whole group; the pid is not reused before we have reaped it. */
	if (!c->reaped && kill(-c->pid, signo) && errno != ESRCH)
		log_warn("loop", "cannot send signal %d to process group %d: %s", signo,
		    (int)c->pid, strerror(errno));
}

static void
on_timeout(void *arg)
{
	struct child *c = CAST_OBJ(child, arg, CHILD_MAGIC);

	if (c->timed_out) {
		signal_all(c, SIGKILL);
		return;
	}
	c->timed_out = true;
	signal_all(c, SIGTERM);
	timer_after(c->deadline, KILL_AFTER_TERM_MS);
}

static struct child *
adopt(struct loop *l, const struct child_opts *o, struct pipes *p, pid_t pid)
{
	struct child *c = xcalloc(1, sizeof(*c));
	uint64_t max = o->max_output ? o->max_output : PRESET_MAX_OUTPUT;

	c->magic = CHILD_MAGIC;
	c->loop = l;
	c->pid = pid;
	list_add_tail(&l->children, &c->all_node);
	c->detach = o->detach;
	c->post = (struct post){ .fn = bury, .arg = c, .name = "child end" };
	c->out.fd = MOVE_FD(p->out[0]);
	c->err_out.fd = MOVE_FD(p->err_out[0]);
	c->out.max = c->err_out.max = max;
	c->in_fd = MOVE_FD(p->in[1]);
	c->pidfd = pidfd_open(pid, 0);
	ASSERT(c->pidfd >= 0);
	c->ended = watch(l, c->pidfd, EV_READ, on_ended, c);
	if (c->out.fd >= 0)
		c->out.ev = watch(l, c->out.fd, EV_READ, on_output, &c->out);
	if (c->err_out.fd >= 0)
		c->err_out.ev =
		    watch(l, c->err_out.fd, EV_READ, on_output, &c->err_out);
	if (c->in_fd >= 0 && o->input_len == 0)
		end_input(c);
	if (c->in_fd >= 0) {
		c->input = xmemdup(o->input, o->input_len);
		c->input_len = o->input_len;
		c->in_ev = watch(l, c->in_fd, EV_WRITE, on_input_room, c);
	}
	c->deadline = timer_new(l, on_timeout, c);
	if (o->timeout_ms)
		timer_after(c->deadline, o->timeout_ms);
	return c;
}

int
child_start(struct loop *l, const struct child_opts *o, child_fn done, void *arg,
    struct child **ret_c, struct err *e)
{
	struct pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct child *c;
	pid_t pid = 0;
	int rc;

	ASSERT(o->argv && o->argv[0] && o->argv[0][0] == '/');
	rc = open_pipes(o, &p, e);
	if (!rc)
		rc = spawn(o, &p, &pid, e);
	if (rc) {
		close_pipes(&p);
		return rc;
	}
	c = adopt(l, o, &p, pid);
	c->done = done;
	c->arg = arg;
	close_pipes(&p);
	*ret_c = c;
	return 0;
}

bool
child_is(const struct loop *l, pid_t pid)
{
	LIST_EACH(const struct child, c, &l->children, all_node) {
		if (c->pid == pid)
			return !c->reaped;
	}
	return false;
}

pid_t
child_pid(const struct child *c)
{
	return c->pid;
}

void
child_kill(struct child *c, int signo)
{
	signal_all(c, signo);
}

void
child_free(struct child *c)
{
	if (!c)
		return;
	ASSERT(c->magic == CHILD_MAGIC);
	/* From within done: the loop frees it right after. */
	if (c->in_done)
		return;
	if (!c->detach)
		signal_all(c, SIGKILL);
	/* It stays with the loop until it can be reaped: killing takes its time. */
	c->done = NULL;
	end_capture(&c->out);
	end_capture(&c->err_out);
	end_input(c);
	timer_stop(c->deadline);
	list_add_tail(&c->loop->forgotten, &c->node);
}

void
children_reap(struct loop *l)
{
	LIST_EACH_SAFE(struct child, c, &l->forgotten, node) {
		struct pollfd pfd = { .fd = c->pidfd, .events = POLLIN };

		if (!c->detach && poll(&pfd, 1, REAP_WAIT_MS) == 0)
			log_warn("loop", "process %d does not end although killed",
			    (int)c->pid);
		waitpid(c->pid, NULL, WNOHANG);
		release(c);
	}
}
