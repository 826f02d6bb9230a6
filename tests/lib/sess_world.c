#include "tests/lib/sess_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proto/msg.h"

/*
 * Programs run on this machine.  The shell puts what was passed on where it belongs;
 * setsid makes the terminal the program's own.
 */
static int
fake_exec(struct engine_guest *g, const struct engine_exec *x, child_fn done, void *arg,
    struct child **ret_c, struct err *e)
{
	static const char plain[] = "exec \"$@\" 0<&3 1>&4 2>&5 3<&- 4>&- 5>&-";
	static const char on_tty[] =
	    "exec setsid -w -c \"$@\" 0<&3 1>&4 2>&5 3<&- 4>&- 5>&-";
	const char *argv[20] = { "/bin/sh", "-c", x->tty ? on_tty : plain, "sh" };
	struct child_opts o = {
		.argv = argv,
		.env = x->env,
		.cwd = *x->cwd ? x->cwd : NULL,
		.pass_fds = x->fds,
		.n_pass_fds = 3,
	};

	for (size_t i = 0; x->args[i] && i + 5 < ARRAY_SIZE(argv); i++)
		argv[4 + i] = x->args[i];
	return child_start(g->engine->loop, &o, done, arg, ret_c, e);
}

/* The bed's folder is the guest's root; our own id is its id 0. */
static int
fake_root(struct engine_guest *g, struct engine_root *ret_r, struct err *e)
{
	ret_r->fd = open(g->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ret_r->id_base = getuid();
	ret_r->n_ids = getuid() ? 1 : MY_IDS;
	return ret_r->fd < 0 ? err_set(e, ERR_IO, "no root") : 0;
}

static size_t
fake_console(struct engine_guest *g, char *buf, size_t cap)
{
	static const char text[] = "booted\nlogin: ";
	size_t n = sizeof(text) - 1 < cap ? sizeof(text) - 1 : cap;

	memcpy(buf, text + sizeof(text) - 1 - n, n);
	return n;
}

/* It is drawn when the test says so. */
static int
fake_picture(struct engine_guest *g, struct err *e)
{
	return 0;
}

static struct sess_world *
world_of(struct engine_guest *g)
{
	return LIST_ENTRY(g, struct sess_world, guest);
}

static int
fake_typed(struct engine_guest *g, const void *p, size_t n, struct err *e)
{
	str_addn(&world_of(g)->typed, p, n);
	return 0;
}

static int
fake_screen(struct engine_guest *g, int *ret_fd, struct err *e)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
		return err_set(e, ERR_IO, "no sockets");
	world_of(g)->screen = fds[0];
	*ret_fd = fds[1];
	return 0;
}

static const struct engine_ops fake_ops = {
	.name = "fake",
	.exec = fake_exec,
	.root = fake_root,
	.console_tail = fake_console,
	.picture = fake_picture,
	.console_write = fake_typed,
	.screen_open = fake_screen,
};

static int
find_guest(void *arg, uint64_t guest, struct engine_guest **ret_g, struct err *e)
{
	struct sess_world *w = arg;

	if (guest != GUEST)
		return err_set(e, ERR_NOT_FOUND, "it is not on this host");
	*ret_g = &w->guest;
	return 0;
}

void
sw_grant(struct sess_world *w, Drover__SessionStream way, uint32_t n)
{
	Drover__SessionCredit c = DROVER__SESSION_CREDIT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	c.session = SESSION;
	c.stream = way;
	c.bytes = n;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_CREDIT;
	m.session_credit = &c;
	sw_tell(w, &m);
}

static void
take_data(struct sess_world *w, const Drover__SessionData *d)
{
	bool out = d->stream == DROVER__SESSION_STREAM__SESSION_OUT;

	str_addn(out ? &w->out : &w->err, d->data.data, d->data.len);
	if (d->end)
		*(out ? &w->out_ended : &w->err_ended) = true;
}

static int
take(void *arg, Drover__Envelope *m, struct err *e)
{
	struct sess_world *w = arg;

	if (w->lost)
		return err_set(e, ERR_LOST, "no link");
	if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_DATA) {
		take_data(w, m->session_data);
	} else if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_CREDIT) {
		w->granted += m->session_credit->bytes;
	} else if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_END) {
		struct err why = ERR_INIT;

		w->ends++;
		w->exit_code = m->session_end->exit_code;
		w->signal = m->session_end->signal;
		if (m->session_end->fault)
			w->fault = msg_fault_err(m->session_end->fault, &why);
		snprintf(w->why, sizeof(w->why), "%s", why.msg);
	}
	return 0;
}

/* As it comes over a link: packed and unpacked. */
void
sw_tell(struct sess_world *w, Drover__Envelope *m)
{
	AUTO(msg) Drover__Envelope *got = NULL;
	AUTO_FREE uint8_t *p = NULL;
	size_t n = 0;

	m->version = PROTO_VERSION;
	assert_int_equal(msg_pack(m, &p, &n, NULL), 0);
	assert_int_equal(msg_unpack(p, n, &got, NULL), 0);
	sess_message(w->set, got);
}

void
sw_open(struct sess_world *w)
{
	memset(w, 0, sizeof(*w));
	w->bed = bed_new();
	w->screen = -1;
	w->engine.ops = &fake_ops;
	w->engine.loop = w->bed->loop;
	w->guest.engine = &w->engine;
	w->guest.number = GUEST;
	w->guest.dir = w->bed->dir;
	w->guest.state = ENGINE_RUNNING;
	list_init(&w->guest.ears);
	const struct sess_conf c = {
		.loop = w->bed->loop,
		.workers = w->bed->workers,
		.find = find_guest,
		.send = take,
		.arg = w,
	};
	w->set = sess_set_new(&c);
}

void
sw_close(struct sess_world *w)
{
	sess_set_free(w->set);
	str_fini(&w->out);
	str_fini(&w->err);
	str_fini(&w->typed);
	if (w->screen >= 0)
		close(w->screen);
	bed_free(w->bed);
}

void
sw_begin(struct sess_world *w, Drover__SessionOpen *o)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	o->session = SESSION;
	if (!o->guest)
		o->guest = GUEST;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_OPEN;
	m.session_open = o;
	sw_tell(w, &m);
}

void
sw_run(struct sess_world *w, const char *script, bool tty)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;
	AUTO_FREE char *words = xstrdup(script);
	static char sh[] = "/bin/sh", dash_c[] = "-c", path[] = "PATH=/usr/bin:/bin";
	char *args[] = { sh, dash_c, words }, *env[] = { path };

	x.args = args;
	x.n_args = ARRAY_SIZE(args);
	x.env = env;
	x.n_env = 1;
	x.tty = tty;
	x.rows = 50;
	x.columns = 132;
	o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
	o.exec = &x;
	sw_begin(w, &o);
	if (w->keeps_credit)
		return;
	sw_grant(w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	sw_grant(w, DROVER__SESSION_STREAM__SESSION_ERR, PLENTY);
}

void
sw_say(struct sess_world *w, const void *p, size_t n, bool end)
{
	Drover__SessionData d = DROVER__SESSION_DATA__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	d.session = SESSION;
	d.data = (ProtobufCBinaryData){ n, xmemdup(p, n ? n : 1) };
	d.end = end;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_DATA;
	m.session_data = &d;
	sw_tell(w, &m);
	free(d.data.data);
}

void
sw_wait_end(struct sess_world *w)
{
	bed_until_count(w->bed, &w->ends, 1);
	bed_settle(w->bed);
	assert_int_equal(w->ends, 1);
	assert_int_equal(sess_count(w->set), 0);
}
