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
#include "host-agent/session/sess_pipe.h"

#define MAX_TTY     1000u /* rows, columns */
#define END_OF_FILE 4     /* as typed on a terminal */

struct exec_sess {
	struct sess s;
	struct loop *loop;
	struct child *child;
	int status;
	bool exited;
	bool tty; /* then in and out are one descriptor */
	bool in_closing;
	struct sess_inlet in;
	struct sess_outlet out, err;
};

static void
close_outlet(struct sess_outlet *o)
{
	const struct exec_sess *x = (const struct exec_sess *)o->s;
	int fd = o->fd;

	sess_outlet_stop(o);
	if (fd >= 0 && x->in.fd != fd)
		close(fd);
}

static void
close_in(struct exec_sess *x)
{
	int fd = x->in.fd;

	sess_inlet_stop(&x->in);
	if (fd >= 0 && x->out.fd != fd)
		close(fd);
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

/* Send what there is; the session ends when that was all. */
static void
pump(struct sess *s)
{
	struct exec_sess *x = (struct exec_sess *)s;

	if (sess_outlet_pump(&x->out))
		close_outlet(&x->out);
	if (sess_outlet_pump(&x->err))
		close_outlet(&x->err);
	if (!x->exited || x->out.fd >= 0 || x->err.fd >= 0)
		return;
	sess_tell_exit(&x->s, x->status);
	free_session(x);
}

static void
credit(struct sess *s, enum sess_way way)
{
	pump(s);
}

static void
on_ended(struct child *c, const struct child_result *r, void *arg)
{
	struct exec_sess *x = arg;

	x->child = NULL; /* frees itself */
	x->status = r->status;
	x->exited = x->out.dry = x->err.dry = true;
	close_in(x);
	pump(&x->s);
}

static void
on_deaf(struct sess *s)
{
	close_in((struct exec_sess *)s);
}

static void
on_empty(struct sess *s)
{
	struct exec_sess *x = (struct exec_sess *)s;

	if (x->in_closing && !x->tty)
		close_in(x);
}

static void
input(struct sess *s, const void *p, size_t n, bool end)
{
	static const uint8_t typed_end = END_OF_FILE;
	struct exec_sess *x = (struct exec_sess *)s;

	x->in_closing |= end;
	sess_inlet_take(&x->in, p, n);
	if (end && x->tty)
		sess_inlet_take(&x->in, &typed_end, 1);
}

static void
size(struct sess *s, uint32_t rows, uint32_t columns)
{
	const struct exec_sess *x = (const struct exec_sess *)s;
	struct winsize w = {
		.ws_row = (unsigned short)(rows < MAX_TTY ? rows : MAX_TTY),
		.ws_col = (unsigned short)(columns < MAX_TTY ? columns : MAX_TTY),
	};

	if (x->tty && x->in.fd >= 0 && rows && columns)
		(void)ioctl(x->in.fd, TIOCSWINSZ, &w);
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
	x->in.fd = in[1];
	if (pipe2(out, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "no pipe");
	x->out.fd = out[0];
	t->fd[1] = out[1];
	if (pipe2(err, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "no pipe");
	x->err.fd = err[0];
	t->fd[2] = err[1];
	if (set_nonblock(x->in.fd) || set_nonblock(x->out.fd) ||
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

	x->in.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (x->in.fd < 0)
		return err_sys(e, ERR_IO, errno, "no terminal");
	x->out.fd = x->in.fd;
	if (grantpt(x->in.fd) || unlockpt(x->in.fd) || set_nonblock(x->in.fd))
		return err_sys(e, ERR_IO, errno, "a terminal cannot be set up");
	slave = ioctl(x->in.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
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
	sess_inlet_watch(&x->in, x->loop);
	sess_outlet_watch(&x->out, x->loop);
	if (x->err.fd >= 0)
		sess_outlet_watch(&x->err, x->loop);
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
	x->in = (struct sess_inlet){
		.s = &x->s, .fd = -1, .deaf = on_deaf, .empty = on_empty
	};
	x->out = (struct sess_outlet){
		.s = &x->s, .way = SESS_OUT, .fd = -1, .pumped = pump
	};
	x->err = (struct sess_outlet){
		.s = &x->s, .way = SESS_ERR, .fd = -1, .pumped = pump
	};
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
