/*
 * sess_exec: a program inside a guest, its three streams or its terminal.
 *
 * The session ends when the program has and everything that it wrote is sent: what it
 * left running may hold its pipes open for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/session/sess_int.h"
#include "loop/fd_watch.h"

#define IN_WINDOW   65536u
#define MAX_TTY     1000u /* rows, columns */
#define END_OF_FILE 4     /* as typed on a terminal */

/* A stream that comes out of the guest. */
struct outlet {
	struct exec_sess *x;
	enum sess_way way;
	int fd; /* -1: ended, or there is none */
	struct fd_watch *watch;
};

struct exec_sess {
	struct sess s;
	struct loop *loop;
	struct child *child;
	int status;
	bool exited;
	bool tty;
	int in_fd; /* of a terminal: the same as out.fd */
	struct fd_watch *in_watch;
	uint8_t in[IN_WINDOW + 1]; /* what the program has not read yet, and its end */
	size_t in_at, in_len;
	size_t taken; /* bytes that went in and are not granted anew */
	bool in_closing;
	struct outlet out, err;
};

static void
close_outlet(struct outlet *o)
{
	fd_watch_free(MOVE(o->watch));
	if (o->fd >= 0 && !(o->x->tty && o->x->in_fd == o->fd))
		close(o->fd);
	o->fd = -1;
}

static void
close_in(struct exec_sess *x)
{
	fd_watch_free(MOVE(x->in_watch));
	if (x->in_fd >= 0 && !(x->tty && x->out.fd == x->in_fd))
		close(x->in_fd);
	x->in_fd = -1;
	x->in_at = x->in_len = 0;
}

static void
free_session(struct exec_sess *x)
{
	child_free(MOVE(x->child));
	close_in(x);
	close_outlet(&x->out);
	close_outlet(&x->err);
	sess_fini(&x->s);
	free(x);
}

static void
drop(struct sess *s)
{
	struct exec_sess *x = (struct exec_sess *)s;

	if (x->child)
		child_kill(x->child, SIGKILL);
	free_session(x);
}

/* False: the session is gone. */
static bool
settle(struct exec_sess *x)
{
	if (!x->exited || x->out.fd >= 0 || x->err.fd >= 0)
		return true;
	sess_tell_exit(&x->s, x->status);
	free_session(x);
	return false;
}

/* ---- out of the guest ---- */

static size_t
room(const struct outlet *o)
{
	uint64_t n = o->x->s.may_send[o->way];

	return n > MAX_SESSION_FRAME ? MAX_SESSION_FRAME : (size_t)n;
}

static void
end_outlet(struct outlet *o)
{
	(void)sess_send(&o->x->s, o->way, NULL, 0, true);
	close_outlet(o);
}

/*
 * Send what is there as far as there is credit.  An empty pipe is at its end when the
 * program is; a terminal that nobody has open any more gives EIO.
 */
static void
pump(struct outlet *o)
{
	static uint8_t buf[MAX_SESSION_FRAME];
	size_t may;
	ssize_t n;

	while (o->fd >= 0 && (may = room(o)) > 0) {
		n = read(o->fd, buf, may);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !o->x->exited) {
			fd_watch_once(o->watch);
			return;
		}
		if (n <= 0) {
			end_outlet(o);
			return;
		}
		if (!sess_send(&o->x->s, o->way, buf, (size_t)n, false))
			return;
	}
}

static void
on_readable(void *arg)
{
	struct outlet *o = arg;

	pump(o);
	(void)settle(o->x);
}

static void
credit(struct sess *s, enum sess_way way)
{
	struct exec_sess *x = (struct exec_sess *)s;

	pump(way == SESS_OUT ? &x->out : &x->err);
	(void)settle(x);
}

static void
on_ended(struct child *c, const struct child_result *r, void *arg)
{
	struct exec_sess *x = arg;

	x->child = NULL; /* frees itself */
	x->status = r->status;
	x->exited = true;
	close_in(x);
	pump(&x->out);
	pump(&x->err);
	(void)settle(x);
}

/* ---- into the guest ---- */

/* In large steps: not every key that is typed needs an answer. */
static void
grant_taken(struct exec_sess *x)
{
	if (x->taken < IN_WINDOW / 4)
		return;
	sess_grant(&x->s, x->taken);
	x->taken = 0;
}

/* The program does not want it any more: it falls on the floor. */
static void
close_deaf(struct exec_sess *x)
{
	x->taken += x->in_len;
	close_in(x);
	grant_taken(x);
}

static void
feed(struct exec_sess *x)
{
	ssize_t n;

	while (x->in_fd >= 0 && x->in_len) {
		n = write(x->in_fd, x->in + x->in_at, x->in_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			fd_watch_once(x->in_watch);
			break;
		}
		if (n < 0) {
			close_deaf(x);
			return;
		}
		x->in_at += (size_t)n;
		x->in_len -= (size_t)n;
		x->taken += (size_t)n;
	}
	grant_taken(x);
	if (x->in_closing && !x->in_len && !x->tty)
		close_in(x);
}

static void
on_writable(void *arg)
{
	feed(arg);
}

static void
append(struct exec_sess *x, const void *p, size_t n)
{
	if (x->in_at + x->in_len + n > sizeof(x->in)) {
		memmove(x->in, x->in + x->in_at, x->in_len);
		x->in_at = 0;
	}
	ASSERT(x->in_len + n <= sizeof(x->in));
	memcpy(x->in + x->in_at + x->in_len, p, n);
	x->in_len += n;
}

static void
input(struct sess *s, const void *p, size_t n, bool end)
{
	static const uint8_t typed_end = END_OF_FILE;
	struct exec_sess *x = (struct exec_sess *)s;

	if (x->in_fd < 0) {
		x->taken += n;
		grant_taken(x);
		return;
	}
	if (n)
		append(x, p, n);
	if (end && x->tty)
		append(x, &typed_end, 1);
	x->in_closing |= end;
	feed(x);
}

static void
size(struct sess *s, uint32_t rows, uint32_t columns)
{
	const struct exec_sess *x = (const struct exec_sess *)s;
	struct winsize w = {
		.ws_row = (unsigned short)(rows < MAX_TTY ? rows : MAX_TTY),
		.ws_col = (unsigned short)(columns < MAX_TTY ? columns : MAX_TTY),
	};

	if (x->tty && x->in_fd >= 0 && rows && columns)
		(void)ioctl(x->in_fd, TIOCSWINSZ, &w);
}

static const struct sess_ops exec_ops = {
	.credit = credit,
	.input = input,
	.size = size,
	.drop = drop,
};

/* ---- begin ---- */

static int
check_words(char *const *words, size_t n, const char *what, struct err *e)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n && bytes <= MAX_EXEC_BYTES; i++)
		bytes += strlen(words[i]) + 1;
	if (n > MAX_EXEC_WORDS || bytes > MAX_EXEC_BYTES)
		return err_set(e, ERR_TOO_LARGE,
		    "%s: at most %u of them, %u bytes together", what, MAX_EXEC_WORDS,
		    MAX_EXEC_BYTES);
	return 0;
}

static int
check_exec(const Drover__SessionExec *m, struct err *e)
{
	if (!m->n_args || !*m->args[0])
		return err_set(e, ERR_INVALID, "args: name no program");
	if (check_words(m->args, m->n_args, "args", e) ||
	    check_words(m->env, m->n_env, "env", e))
		return e->code;
	for (size_t i = 0; i < m->n_env; i++) {
		const char *eq = strchr(m->env[i], '=');

		if (!eq || eq == m->env[i])
			return err_set(e, ERR_INVALID,
			    "env: \"%.60s\" is no NAME=value", m->env[i]);
	}
	if (*m->cwd && *m->cwd != '/')
		return err_set(
		    e, ERR_INVALID, "cwd: \"%.60s\" is no absolute path", m->cwd);
	if (strlen(m->cwd) > MAX_GUEST_PATH)
		return err_set(
		    e, ERR_INVALID, "cwd: longer than %u bytes", MAX_GUEST_PATH);
	return 0;
}

/* The three ends that the program gets; the caller closes them. */
struct ends {
	int fd[3];
};

static void
close_ends(struct ends *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(t->fd); i++)
		if (t->fd[i] >= 0 && (i == 0 || t->fd[i] != t->fd[0]))
			close(t->fd[i]);
}

static int
set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int
make_pipes(struct exec_sess *x, struct ends *t, struct err *e)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "no pipe");
	t->fd[0] = in[0];
	x->in_fd = in[1];
	if (pipe2(out, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "no pipe");
	x->out.fd = out[0];
	t->fd[1] = out[1];
	if (pipe2(err, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "no pipe");
	x->err.fd = err[0];
	t->fd[2] = err[1];
	if (set_nonblock(x->in_fd) || set_nonblock(x->out.fd) ||
	    set_nonblock(x->err.fd))
		return err_sys(e, ERR_IO, errno, "a pipe cannot be set up");
	return 0;
}

/* Programs inside open it by its name: it must be its user's. */
static void
give_tty(int fd, const Drover__SessionExec *m, struct engine_guest *g)
{
	struct engine_root r;

	if (engine_root(g, &r, NULL))
		return;
	close(r.fd);
	if (m->uid < r.n_ids && m->gid < r.n_ids &&
	    fchown(fd, r.id_base + m->uid, r.id_base + m->gid))
		log_debug("session", "a terminal stays ours: %s", strerror(errno));
}

static int
make_tty(struct exec_sess *x, struct ends *t, struct err *e)
{
	int slave;

	x->in_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (x->in_fd < 0)
		return err_sys(e, ERR_IO, errno, "no terminal");
	x->out.fd = x->in_fd;
	if (grantpt(x->in_fd) || unlockpt(x->in_fd) || set_nonblock(x->in_fd))
		return err_sys(e, ERR_IO, errno, "a terminal cannot be set up");
	slave = ioctl(x->in_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, ERR_IO, errno, "a terminal cannot be set up");
	for (size_t i = 0; i < ARRAY_SIZE(t->fd); i++)
		t->fd[i] = slave;
	return 0;
}

static int
start(struct exec_sess *x, const Drover__SessionExec *m, const struct ends *t,
    struct err *e)
{
	AUTO_FREE const char **args = xcalloc(m->n_args + 1, sizeof(*args));
	AUTO_FREE const char **env = xcalloc(m->n_env + 1, sizeof(*env));
	struct engine_guest *g = NULL;
	int rc = sess_handle(&x->s, &g, e);
	struct engine_exec what = {
		.args = args,
		.env = env,
		.cwd = m->cwd,
		.uid = m->uid,
		.gid = m->gid,
		.tty = m->tty,
		.fds = { t->fd[0], t->fd[1], t->fd[2] },
	};

	if (rc)
		return rc;
	for (size_t i = 0; i < m->n_args; i++)
		args[i] = m->args[i];
	for (size_t i = 0; i < m->n_env; i++)
		env[i] = m->env[i];
	if (m->tty)
		give_tty(t->fd[0], m, g);
	return engine_exec(g, &what, on_ended, x, &x->child, e);
}

static void
watch(struct exec_sess *x)
{
	x->in_watch = fd_watch_new(x->loop, x->in_fd, FD_WRITE, on_writable, x);
	x->out.watch = fd_watch_new(x->loop, x->out.fd, FD_READ, on_readable, &x->out);
	if (x->err.fd >= 0)
		x->err.watch =
		    fd_watch_new(x->loop, x->err.fd, FD_READ, on_readable, &x->err);
	sess_grant(&x->s, IN_WINDOW);
}

int
sess_exec_open(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	const Drover__SessionExec *m = o->exec;
	struct ends theirs = { { -1, -1, -1 } };
	struct exec_sess *x;
	int rc = check_exec(m, e);

	if (rc)
		return rc;
	x = xcalloc(1, sizeof(*x));
	x->loop = ss->conf.loop;
	x->tty = m->tty;
	x->in_fd = -1;
	x->out = (struct outlet){ .x = x, .way = SESS_OUT, .fd = -1 };
	x->err = (struct outlet){ .x = x, .way = SESS_ERR, .fd = -1 };
	sess_init(&x->s, ss, &exec_ops, o);
	rc = m->tty ? make_tty(x, &theirs, e) : make_pipes(x, &theirs, e);
	if (!rc && m->tty)
		size(&x->s, m->rows, m->columns);
	if (!rc)
		rc = start(x, m, &theirs, e);
	close_ends(&theirs);
	if (rc) {
		free_session(x);
		return rc;
	}
	watch(x);
	return 0;
}
