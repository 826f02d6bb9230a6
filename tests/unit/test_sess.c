#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_int.h"
#include "host-agent/session/sess.h"
#include "proto/msg.h"
#include "tests/lib/agent_bed.h"

#define GUEST   42u
#define SESSION 7u
#define PLENTY  (1u << 20)
#define MY_IDS  65536u

/* What the server has been told of the one session. */
struct world {
	struct bed *bed;
	struct sess_set *set;
	struct engine engine;
	struct engine_guest guest;
	struct str out, err;
	bool out_ended, err_ended, lost;
	uint64_t granted;
	unsigned ends;
	int fault;
	char why[240];
	uint32_t exit_code, signal;
	bool keeps_credit; /* the server lets it have no more than it was given */
};

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

static const struct engine_ops fake_ops = {
	.name = "fake",
	.exec = fake_exec,
	.root = fake_root,
	.console_tail = fake_console,
};

static int
find_guest(void *arg, uint64_t guest, struct engine_guest **ret_g, struct err *e)
{
	struct world *w = arg;

	if (guest != GUEST)
		return err_set(e, ERR_NOT_FOUND, "it is not on this host");
	*ret_g = &w->guest;
	return 0;
}

static void tell(struct world *w, Drover__Envelope *m);

static void
grant(struct world *w, Drover__SessionStream way, uint32_t n)
{
	Drover__SessionCredit c = DROVER__SESSION_CREDIT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	c.session = SESSION;
	c.stream = way;
	c.bytes = n;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_CREDIT;
	m.session_credit = &c;
	tell(w, &m);
}

static void
take_data(struct world *w, const Drover__SessionData *d)
{
	bool out = d->stream == DROVER__SESSION_STREAM__SESSION_OUT;

	str_addn(out ? &w->out : &w->err, d->data.data, d->data.len);
	if (d->end)
		*(out ? &w->out_ended : &w->err_ended) = true;
}

static int
take(void *arg, Drover__Envelope *m, struct err *e)
{
	struct world *w = arg;

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
static void
tell(struct world *w, Drover__Envelope *m)
{
	AUTO(msg) Drover__Envelope *got = NULL;
	AUTO_FREE uint8_t *p = NULL;
	size_t n = 0;

	m->version = PROTO_VERSION;
	assert_int_equal(msg_pack(m, &p, &n, NULL), 0);
	assert_int_equal(msg_unpack(p, n, &got, NULL), 0);
	sess_message(w->set, got);
}

static void
open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->bed = bed_new();
	w->engine.ops = &fake_ops;
	w->engine.loop = w->bed->loop;
	w->guest.engine = &w->engine;
	w->guest.number = GUEST;
	w->guest.dir = w->bed->dir;
	w->guest.state = ENGINE_RUNNING;
	const struct sess_conf c = {
		.loop = w->bed->loop,
		.workers = w->bed->workers,
		.find = find_guest,
		.send = take,
		.arg = w,
	};
	w->set = sess_set_new(&c);
}

static void
close_world(struct world *w)
{
	sess_set_free(w->set);
	str_fini(&w->out);
	str_fini(&w->err);
	bed_free(w->bed);
}

static void
open_session(struct world *w, Drover__SessionOpen *o)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	o->session = SESSION;
	if (!o->guest)
		o->guest = GUEST;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_OPEN;
	m.session_open = o;
	tell(w, &m);
}

static void
begin(struct world *w, const char *script, bool tty)
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
	open_session(w, &o);
	if (w->keeps_credit)
		return;
	grant(w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	grant(w, DROVER__SESSION_STREAM__SESSION_ERR, PLENTY);
}

static void
say(struct world *w, const void *p, size_t n, bool end)
{
	Drover__SessionData d = DROVER__SESSION_DATA__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	d.session = SESSION;
	d.data = (ProtobufCBinaryData){ n, xmemdup(p, n ? n : 1) };
	d.end = end;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_DATA;
	m.session_data = &d;
	tell(w, &m);
	free(d.data.data);
}

static void
wait_end(struct world *w)
{
	bed_until_count(w->bed, &w->ends, 1);
	bed_settle(w->bed);
	assert_int_equal(w->ends, 1);
	assert_int_equal(sess_count(w->set), 0);
}

static void
a_program_tells_all_it_has_to_say(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w, "cat; echo oops >&2; exit 3", false);
	assert_true(w.granted >= 5);
	say(&w, "hello", 5, true);
	wait_end(&w);
	assert_string_equal(str_cstr(&w.out), "hello");
	assert_string_equal(str_cstr(&w.err), "oops\n");
	assert_true(w.out_ended && w.err_ended);
	assert_int_equal(w.exit_code, 3);
	assert_int_equal(w.signal, 0);
	assert_int_equal(w.fault, 0);
	close_world(&w);
}

static void
a_signal_is_told_as_one(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w, "kill -SEGV $$", false);
	wait_end(&w);
	assert_int_equal(w.signal, 11);
	assert_int_equal(w.exit_code, 0);
	close_world(&w);
}

/* Whoever is left behind with the pipes in its hands does not hold up the end. */
static void
what_is_left_running_keeps_nobody(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w, "sleep 600 & echo $!", false);
	wait_end(&w);
	assert_int_equal(w.exit_code, 0);
	uint64_t pid = 0;
	AUTO_FREE char *line =
	    xstrndup(str_cstr(&w.out), strcspn(str_cstr(&w.out), "\n"));
	assert_int_equal(parse_u64(line, 2, 1u << 22, "pid", &pid, NULL), 0);
	kill((pid_t)pid, SIGKILL);
	close_world(&w);
}

static bool
has_all_credit_allows(void *arg)
{
	return ((struct world *)arg)->out.len >= 1000;
}

static void
no_more_comes_than_credit(void **state)
{
	struct world w;

	open_world(&w);
	w.keeps_credit = true;
	begin(&w, "head -c 300000 /dev/zero", false);
	grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, 1000);
	bed_until(w.bed, has_all_credit_allows, &w);
	bed_settle(w.bed);
	assert_int_equal(w.out.len, 1000);
	assert_int_equal(w.ends, 0);
	grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	grant(&w, DROVER__SESSION_STREAM__SESSION_ERR, 1);
	wait_end(&w);
	assert_int_equal(w.out.len, 300000);
	close_world(&w);
}

static void
data_beyond_credit_cuts_the_session(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w, "sleep 600", false);
	AUTO_FREE uint8_t *many = xcalloc(1, (size_t)w.granted + 1);
	say(&w, many, (size_t)w.granted + 1, false);
	assert_int_equal(w.fault, ERR_TOO_LARGE);
	assert_int_equal(w.ends, 1);
	assert_int_equal(sess_count(w.set), 0);
	close_world(&w);
}

/* A program that does not read stops who writes, and goes on with all of it. */
static void
input_waits_for_the_program(void **state)
{
	struct world w;
	size_t sent = 0;

	open_world(&w);
	begin(&w, "read line; wc -c", false);
	AUTO_FREE char *many = xmalloc(PLENTY);
	memset(many, 'x', PLENTY);
	many[0] = '\n';
	while (sent < PLENTY) {
		size_t n = (size_t)w.granted - sent;

		if (n > PLENTY - sent)
			n = PLENTY - sent;
		if (n > MAX_SESSION_FRAME)
			n = MAX_SESSION_FRAME;
		if (n)
			say(&w, many + sent, n, sent + n == PLENTY);
		else
			loop_turn(w.bed->loop, 10);
		sent += n;
	}
	wait_end(&w);
	assert_string_equal(str_cstr(&w.out), "1048575\n");
	close_world(&w);
}

static bool
has_prompted(void *arg)
{
	return strstr(str_cstr(&((struct world *)arg)->out), "ready") != NULL;
}

static void
a_terminal_has_a_size_and_an_owner(void **state)
{
	struct world w;
	Drover__SessionSize z = DROVER__SESSION_SIZE__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	open_world(&w);
	begin(&w, "tty >/dev/null && stty size && echo ready && read x && stty size",
	    true);
	bed_until(w.bed, has_prompted, &w);
	assert_non_null(strstr(w.out.s, "50 132"));
	z.session = SESSION;
	z.rows = 24;
	z.columns = 80;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_SIZE;
	m.session_size = &z;
	tell(&w, &m);
	say(&w, "\n", 1, false);
	wait_end(&w);
	assert_non_null(strstr(w.out.s, "24 80"));
	assert_int_equal(w.exit_code, 0);
	close_world(&w);
}

static void
what_cannot_begin_says_why(void **state)
{
	static const struct {
		enum engine_state guest_state;
		uint64_t guest;
		int code;
	} cases[] = {
		{ ENGINE_DOWN, GUEST, ERR_BAD_STATE },
		{ ENGINE_PAUSED, GUEST, ERR_BAD_STATE },
		{ ENGINE_RUNNING, GUEST + 1, ERR_NOT_FOUND },
	};

	static char program[] = "/bin/true";
	char *args[] = { program };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
		Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;

		open_world(&w);
		w.guest.state = cases[i].guest_state;
		x.args = args;
		x.n_args = 1;
		o.guest = cases[i].guest;
		o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
		o.exec = &x;
		open_session(&w, &o);
		assert_int_equal(w.fault, cases[i].code);
		assert_int_equal(sess_count(w.set), 0);
		close_world(&w);
	}
}

static void
an_environment_has_bounds(void **state)
{
	struct world w;
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;
	static char program[] = "/bin/true";
	char *args[] = { program }, *env[1];

	open_world(&w);
	env[0] = xmalloc(MAX_EXEC_BYTES + 1);
	memset(env[0], 'x', MAX_EXEC_BYTES);
	env[0][1] = '=';
	env[0][MAX_EXEC_BYTES] = '\0';
	x.args = args;
	x.n_args = 1;
	x.env = env;
	x.n_env = 1;
	o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
	o.exec = &x;
	open_session(&w, &o);
	assert_int_equal(w.fault, ERR_TOO_LARGE);
	free(env[0]);
	close_world(&w);
}

static void
a_session_opened_twice_is_cut(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w, "sleep 600", false);
	begin(&w, "sleep 600", false);
	assert_int_equal(w.fault, ERR_EXISTS);
	assert_int_equal(w.ends, 1);
	assert_int_equal(sess_count(w.set), 0);
	close_world(&w);
}

static bool
is_gone(void *arg)
{
	return kill(*(pid_t *)arg, 0) != 0;
}

static void
what_runs_ends_with_the_link(void **state)
{
	struct world w;
	uint64_t v = 0;

	open_world(&w);
	begin(&w, "echo ready $$; exec sleep 600", false);
	bed_until(w.bed, has_prompted, &w);
	AUTO_FREE char *line = xstrndup(w.out.s + 6, w.out.len - 7);
	assert_int_equal(parse_u64(line, 2, 1u << 22, "pid", &v, NULL), 0);
	pid_t pid = (pid_t)v;
	w.lost = true;
	sess_link_down(w.set);
	assert_int_equal(sess_count(w.set), 0);
	bed_until(w.bed, is_gone, &pid);
	close_world(&w);
}

static void
only_so_many_at_once(void **state)
{
	struct world w;
	static char sleep[] = "sleep", long_time[] = "600";
	char *args[] = { sleep, long_time };

	open_world(&w);
	for (unsigned i = 0; i <= MAX_SESSIONS_PER_GUEST; i++) {
		Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
		Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;
		Drover__Envelope m = DROVER__ENVELOPE__INIT;

		x.args = args;
		x.n_args = ARRAY_SIZE(args);
		o.session = 100 + i;
		o.guest = GUEST;
		o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
		o.exec = &x;
		m.body_case = DROVER__ENVELOPE__BODY_SESSION_OPEN;
		m.session_open = &o;
		tell(&w, &m);
	}
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.fault, ERR_BUSY);
	assert_int_equal(sess_count(w.set), MAX_SESSIONS_PER_GUEST);
	close_world(&w);
}

static void
the_console_is_told(void **state)
{
	struct world w;
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionLog log = DROVER__SESSION_LOG__INIT;

	open_world(&w);
	w.guest.state = ENGINE_DOWN;
	log.bytes = 7;
	o.what_case = DROVER__SESSION_OPEN__WHAT_LOG;
	o.log = &log;
	open_session(&w, &o);
	grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, 3);
	assert_int_equal(w.ends, 0);
	grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	wait_end(&w);
	assert_string_equal(str_cstr(&w.out), "login: ");
	assert_true(w.out_ended);
	assert_int_equal(w.fault, 0);
	close_world(&w);
}

/* ---- files ---- */

static void
get(struct world *w, const char *path)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionGet g = DROVER__SESSION_GET__INIT;
	AUTO_FREE char *copy = xstrdup(path);

	g.path = copy;
	o.what_case = DROVER__SESSION_OPEN__WHAT_GET;
	o.get = &g;
	open_session(w, &o);
	if (!w->ends)
		grant(w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
}

static void
put(struct world *w, const char *path)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionPut p = DROVER__SESSION_PUT__INIT;
	AUTO_FREE char *copy = xstrdup(path);

	p.path = copy;
	o.what_case = DROVER__SESSION_OPEN__WHAT_PUT;
	o.put = &p;
	open_session(w, &o);
}

/* In the guest's root. */
static void
run(const struct world *w, const char *script)
{
	AUTO_FREE char *line = xasprintf("cd %s && %s", w->bed->dir, script);

	assert_int_equal(system(line), 0);
}

static uint8_t *
read_made(const struct world *w, const char *name, size_t *ret_n)
{
	return bed_read(bed_path(w->bed, name), ret_n);
}

/* What the server has is what the system's own tar reads. */
static void
a_tar_comes_out_whole(void **state)
{
	struct world w;
	size_t n = 0;

	open_world(&w);
	run(&w, "mkdir -p etc/deep && echo one >etc/one && ln -s ../one etc/deep/to"
		" && head -c 100000 /dev/urandom >etc/big && chmod 4750 etc/one"
		" && touch etc/$(printf %0200d 7)");
	get(&w, "/etc");
	wait_end(&w);
	assert_int_equal(w.fault, 0);
	assert_true(w.out_ended);
	bed_write(bed_path(w.bed, "got.tar"), w.out.s, w.out.len);
	run(&w, "mkdir out && tar -C out -xpf got.tar && diff -r etc out/etc"
		" && test $(stat -c %a out/etc/one) = 4750");
	AUTO_FREE uint8_t *one = read_made(&w, "out/etc/one", &n);
	assert_memory_equal(one, "one\n", 4);
	close_world(&w);
}

static void
no_link_leads_out_of_the_root(void **state)
{
	struct world w;

	open_world(&w);
	run(&w, "ln -s /etc out");
	get(&w, "/out/passwd");
	wait_end(&w);
	assert_int_equal(w.fault, ERR_NOT_FOUND);
	assert_int_equal(w.out.len, 0);
	close_world(&w);

	open_world(&w);
	get(&w, "/../../../../etc/hostname");
	wait_end(&w);
	assert_int_equal(w.fault, ERR_NOT_FOUND);
	close_world(&w);
}

/* Send a tar that the system's own has made by script in DIR/from. */
static void
put_made(struct world *w, const char *script, const char *path, size_t piece)
{
	size_t n = 0, at = 0;

	AUTO_FREE char *line = xasprintf("mkdir -p from to && cd from && %s", script);

	run(w, line);
	AUTO_FREE uint8_t *tar = read_made(w, "made.tar", &n);
	put(w, path);
	while (!w->ends && at <= n) {
		size_t part = n - at < piece ? n - at : piece;

		if (part > w->granted - at)
			part = (size_t)(w->granted - at);
		if (!part && at < n) {
			loop_turn(w->bed->loop, 10);
			continue;
		}
		say(w, tar + at, part, at + part == n);
		at += part;
		if (at == n)
			break;
	}
	wait_end(w);
}

static void
a_tar_goes_in_whole(void **state)
{
	static const size_t pieces[] = { 1, 513, 65536 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct world w;

		open_world(&w);
		AUTO_FREE char *script = xasprintf(
		    "mkdir -p a/b && echo x >a/b/f && ln a/b/f a/hard && ln -s b/f a/soft"
		    " && chmod 6755 a/b/f && head -c 3000 /dev/urandom >a/noise"
		    " && touch $(printf %%0120d 1) && tar --format=%s -cf ../made.tar .",
		    i ? "gnu" : "pax");
		put_made(&w, script, "/to", pieces[i]);
		assert_string_equal(w.why, "");
		run(&w, "diff -r from to && test $(stat -c %a to/a/b/f) = 6755"
			" && test to/a/b/f -ef to/a/hard");
		close_world(&w);
	}
}

static void
a_tar_that_climbs_is_refused(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {
		{ "touch f && tar -P --transform 's,f,../../bad,' -cf ../made.tar f",
		    ERR_DENIED },
		{ "mkdir d && touch d/bad && ln -s /tmp up &&"
		  " tar -cf ../made.tar up && rm up && mkdir up && touch up/bad &&"
		  " tar -rf ../made.tar up/bad",
		    ERR_DENIED },
		{ "ln -s ../.. up && tar -cf ../made.tar up && rm up && mkdir up &&"
		  " touch up/bad && tar -rf ../made.tar up/bad",
		    ERR_DENIED },
		{ "touch f && tar --owner 70000 -cf ../made.tar f", ERR_INVALID },
		{ "head -c 5000 /dev/urandom >../made.tar", ERR_INVALID },
		{ "head -c 5000 /dev/urandom >f && tar -cf - f | head -c 3000"
		  " >../made.tar",
		    ERR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		open_world(&w);
		put_made(&w, cases[i].script, "/to", MAX_SESSION_FRAME);
		assert_int_equal(w.fault, cases[i].code);
		assert_false(bed_exists(bed_path(w.bed, "bad")));
		assert_false(bed_exists("/tmp/bad"));
		close_world(&w);
	}
}

/* The agent's rights are not the guest's: proc would give it the host's memory. */
static void
the_kernels_files_stay_where_they_are(void **state)
{
	static const char *const no_files[] = { "/proc/version", "/proc/self/status",
		"/proc/sys/kernel", "/sys/kernel", "/proc" };
	struct world w;

	for (size_t i = 0; i < ARRAY_SIZE(no_files); i++) {
		static char top[] = "/";

		open_world(&w);
		w.guest.dir = top;
		get(&w, no_files[i]);
		wait_end(&w);
		assert_int_equal(w.fault, ERR_DENIED);
		assert_int_equal(w.out.len, 0);
		close_world(&w);
	}
}

/* Nor are they for what is mounted over a folder: the host would pay for its memory. */
static void
only_its_own_disk_is_written_to(void **state)
{
	static const char *const others[] = { "/proc", "/sys/fs", "/dev/shm" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		static char top[] = "/";
		struct world w;

		open_world(&w);
		w.guest.dir = top;
		put(&w, others[i]);
		say(&w, "", 0, true);
		wait_end(&w);
		assert_int_equal(w.fault, ERR_DENIED);
		close_world(&w);
	}
}

/* A mount that a session holds is one that another host must not make. */
static void
a_guest_that_stops_ends_what_reads_its_files(void **state)
{
	struct world w;

	open_world(&w);
	run(&w, "head -c 500000 /dev/zero >big");
	w.keeps_credit = true;
	get(&w, "/big");
	w.guest.state = ENGINE_DOWN;
	sess_guests_changed(w.set);
	wait_end(&w);
	assert_int_equal(w.fault, ERR_LOST);
	close_world(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_tells_all_it_has_to_say),
		cmocka_unit_test(a_signal_is_told_as_one),
		cmocka_unit_test(what_is_left_running_keeps_nobody),
		cmocka_unit_test(no_more_comes_than_credit),
		cmocka_unit_test(data_beyond_credit_cuts_the_session),
		cmocka_unit_test(input_waits_for_the_program),
		cmocka_unit_test(a_terminal_has_a_size_and_an_owner),
		cmocka_unit_test(what_cannot_begin_says_why),
		cmocka_unit_test(an_environment_has_bounds),
		cmocka_unit_test(a_session_opened_twice_is_cut),
		cmocka_unit_test(what_runs_ends_with_the_link),
		cmocka_unit_test(only_so_many_at_once),
		cmocka_unit_test(the_console_is_told),
		cmocka_unit_test(a_tar_comes_out_whole),
		cmocka_unit_test(no_link_leads_out_of_the_root),
		cmocka_unit_test(a_tar_goes_in_whole),
		cmocka_unit_test(a_tar_that_climbs_is_refused),
		cmocka_unit_test(the_kernels_files_stay_where_they_are),
		cmocka_unit_test(only_its_own_disk_is_written_to),
		cmocka_unit_test(a_guest_that_stops_ends_what_reads_its_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
