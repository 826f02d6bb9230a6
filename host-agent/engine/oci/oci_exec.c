#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_guard.h"

#define EXEC_WORDS_MAX 1024

struct exec_words {
	const char **v;
	size_t n;
};

static void
add(struct exec_words *w, const char *s)
{
	w->v[w->n++] = s;
}

static size_t
count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* The program is ours first, which ends it with whoever runs it. */
static void
add_program(struct exec_words *w, const struct engine_exec *x)
{
	add(w, OCI_INIT_INSIDE);
	add(w, "-x");
	for (size_t i = 0; x->args[i]; i++)
		add(w, x->args[i]);
	add(w, NULL);
}

/* Its descriptor comes behind the program's three. */
static void
add_guard(struct exec_words *w, const struct oci_guest *c)
{
	add(w, c->oci->guard);
	add(w, "enter");
	add(w, "--init");
	add(w, "6");
	add(w, "--");
}

static void
add_runtime(struct exec_words *w, const struct oci_guest *c,
    const struct engine_exec *x, const char *user)
{
	add(w, c->oci->runtime);
	add(w, "--root");
	add(w, c->oci->runtime_root);
	add(w, "exec");
	if (x->tty)
		add(w, "--tty");
	add(w, "--user");
	add(w, user);
	add(w, "--cwd");
	add(w, x->cwd && *x->cwd ? x->cwd : "/");
	for (size_t i = 0; x->env && x->env[i]; i++) {
		add(w, "--env");
		add(w, x->env[i]);
	}
	add(w, c->who);
}

int
oci_op_exec(struct engine_guest *g, const struct engine_exec *x, child_fn done,
    void *arg, struct child **ret_c, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	size_t n = count(x->args) + 2 * count(x->env) + 25;
	AUTO_FREE const char **v = xcalloc(n, sizeof(*v));
	struct exec_words w = { v, 0 };
	int fds[4] = { x->fds[0], x->fds[1], x->fds[2], oci_guard_init(c) };
	struct child_opts o = { .pass_fds = fds, .n_pass_fds = 3 };
	char user[32];

	if (n > EXEC_WORDS_MAX)
		return err_set(e, ERR_INVALID, "%zu arguments are too many", n);
	snprintf(user, sizeof(user), "%" PRIu32 ":%" PRIu32, x->uid, x->gid);
	if (fds[3] >= 0) {
		add_guard(&w, c);
		o.n_pass_fds = 4;
	}
	add(&w, c->oci->stage);
	add(&w, "exec");
	if (x->tty)
		add(&w, "--tty");
	add(&w, "--");
	add_runtime(&w, c, x, user);
	add_program(&w, x);
	o.argv = w.v;
	return child_start(g->engine->loop, &o, done, arg, ret_c, e);
}

/* The pid may be another's by now: only the descriptor of the process tells. */
int
oci_op_root(struct engine_guest *g, struct engine_root *ret_r, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	AUTO_CLOSE int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)c->run.pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "%s: cannot open its root", c->who);
	if (c->pidfd < 0 || pidfd_send_signal(c->pidfd, 0, NULL, 0))
		return err_set(e, ERR_BAD_STATE, "%s has ended", c->who);
	ret_r->fd = MOVE_FD(fd);
	ret_r->id_base = oci_id_base(c->oci, c->g.number);
	ret_r->n_ids = OCI_IDS;
	return 0;
}
