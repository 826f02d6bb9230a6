#include "server/session/visit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/hosts/host_session.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define WAYS            3
#define MAX_FRAME_BYTES 65536u
#define MAX_SHOWN       160u /* of a command, in events and audit */

struct visit {
	struct list_node node;
	struct visits *vs;
	uint64_t number;
	obj_id vm, host, user;
	struct visit_taker to;
	uint64_t may_write; /* credit of IN */
	uint64_t granted[WAYS];
	bool in_ended;
};

struct visits {
	struct inv *inv;
	struct hosts *hosts;
	struct list all;
	uint64_t last_number;
};

static void on_message(void *arg, obj_id host, const Drover__Envelope *m);
static void on_down(void *arg, obj_id host);

static const struct host_session_events host_events = { on_message, on_down };

struct visits *
visits_new(struct inv *inv, struct hosts *hosts)
{
	struct visits *vs = xcalloc(1, sizeof(*vs));

	vs->inv = inv;
	vs->hosts = hosts;
	list_init(&vs->all);
	hosts_set_sessions(hosts, &host_events, vs);
	return vs;
}

void
visits_free(struct visits *vs)
{
	if (!vs)
		return;
	ASSERT(list_empty(&vs->all));
	hosts_set_sessions(vs->hosts, NULL, NULL);
	free(vs);
}

size_t
visits_count(const struct visits *vs)
{
	size_t n = 0;

	LIST_EACH(const struct visit, v, &vs->all, node) {
		n++;
	}
	return n;
}

/* ---- may it be ---- */

static int
check_limits(const struct visits *vs, const struct caller *who, struct err *e)
{
	unsigned all = 0, own = 0;

	LIST_EACH(const struct visit, v, &vs->all, node) {
		all++;
		own += obj_id_is(v->user, who->user);
	}
	if (own >= MAX_VISITS_PER_USER)
		return err_set(e, ERR_BUSY, "%s has %u sessions inside guests already",
		    who->name, own);
	if (all >= MAX_VISITS)
		return err_set(
		    e, ERR_BUSY, "there are %u sessions inside guests already", all);
	return 0;
}

/* Else it is looked at from outside. */
static bool
is_inside(enum visit_kind k)
{
	return k != VISIT_LOG && k != VISIT_PICTURE;
}

static bool
is_console(enum visit_kind kind)
{
	return kind == VISIT_SCREEN || kind == VISIT_SERIAL;
}

/* A console shows what stands still too. */
static int
check_kind(const struct vm *m, enum visit_kind kind, struct err *e)
{
	const char *what = m->guest_type == GUEST_CONTAINER ? "container" : "vm";

	if (!is_console(kind) && m->guest_type != GUEST_CONTAINER)
		return err_set(e, ERR_UNSUPPORTED,
		    "vm \"%s\" is a machine: nothing gets inside but over its network",
		    m->o.name);
	if (is_console(kind) && m->guest_type == GUEST_CONTAINER)
		return err_set(e, ERR_UNSUPPORTED,
		    "container \"%s\" has neither screen nor serial line: a program can "
		    "be run in it",
		    m->o.name);
	if (m->power_state == POWER_ON ||
	    (is_console(kind) &&
		(m->power_state == POWER_PAUSED || m->power_state == POWER_STALLED)))
		return 0;
	return err_set(e, ERR_BAD_STATE, "%s \"%s\" does not run: it is %s", what,
	    m->o.name, power_state_text(m->power_state));
}

int
visit_check(const struct visits *vs, const struct visit_want *w, struct err *e)
{
	const struct vm *m = inv_vm(vs->inv, w->vm);

	if (!m)
		return err_set(e, ERR_NOT_FOUND, "the vm is gone");
	if (obj_id_none(m->host))
		return err_set(e, ERR_BAD_STATE, "vm \"%s\" is on no host", m->o.name);
	if (w->kind == VISIT_PICTURE && m->guest_type == GUEST_CONTAINER)
		return err_set(e, ERR_UNSUPPORTED,
		    "container \"%s\" has no screen; its console is text", m->o.name);
	if (is_inside(w->kind) && check_kind(m, w->kind, e))
		return e->code;
	return check_limits(vs, w->who, e);
}

/* ---- who was it ---- */

static char *
shown_command(const char *const *args)
{
	struct str b = STR_INIT;

	for (size_t i = 0; args && args[i] && b.len <= MAX_SHOWN; i++)
		str_addf(&b, "%s%s", i ? " " : "", args[i]);
	if (b.len > MAX_SHOWN) {
		size_t n = MAX_SHOWN;

		/* Not through the middle of a character. */
		while (n && ((unsigned char)b.s[n] & 0xc0) == 0x80)
			n--;
		b.len = n;
		str_add(&b, "…");
	}
	for (size_t i = 0; i < b.len; i++)
		if ((unsigned char)b.s[i] < ' ')
			b.s[i] = ' ';
	return b.s ? str_take(&b) : xstrdup("");
}

void
visit_record(
    struct visits *vs, const struct visit_want *w, visit_recorded_fn done, void *arg)
{
	struct txn *t = txn_new(vs->inv);
	const char *vm = inv_name(vs->inv, w->vm), *user = w->who->name, *what;
	AUTO_FREE char *command = shown_command(w->args);

	switch (w->kind) {
	case VISIT_EXEC:
		txn_audit(
		    t, w->who, w->tty ? "vm.enter" : "vm.exec", w->vm, vm, 0, command);
		if (w->tty)
			txn_event(t, EV_VM_ENTERED, w->vm, OBJ_ID_NONE, user,
			    "%s entered %s with \"%s\"", user, vm, command);
		else
			txn_event(t, EV_VM_PROGRAM_RUN, w->vm, OBJ_ID_NONE, user,
			    "%s ran \"%s\" in %s", user, command, vm);
		break;
	case VISIT_GET:
		txn_audit(t, w->who, "vm.files_get", w->vm, vm, 0, w->path);
		txn_event(t, EV_VM_FILES_COPIED, w->vm, OBJ_ID_NONE, user,
		    "%s copied \"%.200s\" out of %s", user, w->path, vm);
		break;
	case VISIT_PUT:
		txn_audit(t, w->who, "vm.files_put", w->vm, vm, 0, w->path);
		txn_event(t, EV_VM_FILES_COPIED, w->vm, OBJ_ID_NONE, user,
		    "%s copied files into \"%.200s\" of %s", user, w->path, vm);
		break;
	case VISIT_SCREEN:
	case VISIT_SERIAL:
		what = w->kind == VISIT_SCREEN ? "screen" : "serial line";
		txn_audit(t, w->who, "vm.console", w->vm, vm, 0, what);
		txn_event(t, EV_VM_ENTERED, w->vm, OBJ_ID_NONE, user,
		    "%s opened the %s of %s", user, what, vm);
		break;
	case VISIT_LOG: /* a look leaves no trace */
	case VISIT_PICTURE:
		break;
	}
	txn_commit(t, done, arg);
}

/* ---- out to the host ---- */

static void
end_visit(struct visit *v, const struct visit_end *end)
{
	struct visit_taker to = v->to;

	ASSERT(list_linked(&v->node));
	list_remove(&v->node);
	free(v);
	to.ev->ended(to.arg, end);
}

static void
fail(struct visit *v, const struct err *e)
{
	const struct visit_end end = { .rc = e->code, .err = e };

	end_visit(v, &end);
}

static int
send_to(struct visit *v, Drover__Envelope *m, struct err *e)
{
	return hosts_send_session(v->vs->hosts, v->host, m, e);
}

/* What does not go out any more is told by the link's end. */
static void
send_or_log(struct visit *v, Drover__Envelope *m)
{
	struct err e = ERR_INIT;

	if (send_to(v, m, &e))
		log_info("session", "session %" PRIu64 ": %s", v->number, e.msg);
}

static void
tell_end(struct visit *v)
{
	Drover__SessionEnd end = DROVER__SESSION_END__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	end.session = v->number;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_END;
	m.session_end = &end;
	send_or_log(v, &m);
}

void
visit_close(struct visit *v)
{
	if (!v)
		return;
	tell_end(v);
	list_remove(&v->node);
	free(v);
}

/* The words as a message wants them: without const, and nothing writes them. */
static char **
words_of(const char *const *words, size_t *ret_n)
{
	union {
		const char *const *in;
		char **out;
	} u = { .in = words };

	*ret_n = 0;
	while (words && words[*ret_n])
		++*ret_n;
	return u.out;
}

static char *
word_of(const char *word)
{
	union {
		const char *in;
		char *out;
	} u = { .in = word ? word : "" };

	return u.out;
}

static int
send_open(struct visit *v, const struct visit_want *w, struct err *e)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;
	Drover__SessionGet get = DROVER__SESSION_GET__INIT;
	Drover__SessionPut put = DROVER__SESSION_PUT__INIT;
	Drover__SessionLog log = DROVER__SESSION_LOG__INIT;
	Drover__SessionPicture picture = DROVER__SESSION_PICTURE__INIT;
	Drover__SessionScreen screen = DROVER__SESSION_SCREEN__INIT;
	Drover__SessionSerial serial = DROVER__SESSION_SERIAL__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	switch (w->kind) {
	case VISIT_EXEC:
		x.args = words_of(w->args, &x.n_args);
		x.env = words_of(w->env, &x.n_env);
		x.cwd = word_of(w->cwd);
		x.uid = w->uid;
		x.gid = w->gid;
		x.tty = w->tty;
		x.rows = w->rows;
		x.columns = w->columns;
		o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
		o.exec = &x;
		break;
	case VISIT_GET:
		get.path = word_of(w->path);
		o.what_case = DROVER__SESSION_OPEN__WHAT_GET;
		o.get = &get;
		break;
	case VISIT_PUT:
		put.path = word_of(w->path);
		o.what_case = DROVER__SESSION_OPEN__WHAT_PUT;
		o.put = &put;
		break;
	case VISIT_LOG:
		log.bytes = w->log_bytes;
		o.what_case = DROVER__SESSION_OPEN__WHAT_LOG;
		o.log = &log;
		break;
	case VISIT_PICTURE:
		o.what_case = DROVER__SESSION_OPEN__WHAT_PICTURE;
		o.picture = &picture;
		break;
	case VISIT_SCREEN:
		o.what_case = DROVER__SESSION_OPEN__WHAT_SCREEN;
		o.screen = &screen;
		break;
	case VISIT_SERIAL:
		serial.bytes = w->log_bytes;
		o.what_case = DROVER__SESSION_OPEN__WHAT_SERIAL;
		o.serial = &serial;
		break;
	}
	o.session = v->number;
	o.guest = obj_id_number(v->vm);
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_OPEN;
	m.session_open = &o;
	return send_to(v, &m, e);
}

int
visit_open(struct visits *vs, const struct visit_want *w, struct visit_taker to,
    struct visit **ret_v, struct err *e)
{
	int rc = visit_check(vs, w, e);
	struct visit *v;

	if (rc)
		return rc;
	v = xcalloc(1, sizeof(*v));
	v->vs = vs;
	v->number = ++vs->last_number;
	v->vm = w->vm;
	v->host = inv_vm(vs->inv, w->vm)->host;
	v->user = w->who->user;
	v->to = to;
	rc = send_open(v, w, e);
	if (rc) {
		free(v);
		return rc;
	}
	list_add_tail(&vs->all, &v->node);
	*ret_v = v;
	return 0;
}

void
visit_grant(struct visit *v, enum visit_way way, size_t n)
{
	Drover__SessionCredit c = DROVER__SESSION_CREDIT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	if (!n)
		return;
	ASSERT(way != VISIT_IN && v->granted[way] + n <= MAX_VISIT_WINDOW);
	v->granted[way] += n;
	c.session = v->number;
	c.stream = (Drover__SessionStream)way;
	c.bytes = (uint32_t)n;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_CREDIT;
	m.session_credit = &c;
	send_or_log(v, &m);
}

size_t
visit_room(const struct visit *v)
{
	return v->in_ended ? 0 : (size_t)v->may_write;
}

static void
write_frame(struct visit *v, const uint8_t *p, size_t n, bool end)
{
	Drover__SessionData d = DROVER__SESSION_DATA__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	union {
		const uint8_t *in;
		uint8_t *out;
	} u = { .in = p };

	d.session = v->number;
	d.stream = DROVER__SESSION_STREAM__SESSION_IN;
	d.data = (ProtobufCBinaryData){ n, u.out };
	d.end = end;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_DATA;
	m.session_data = &d;
	send_or_log(v, &m);
}

void
visit_write(struct visit *v, const void *p, size_t n, bool end)
{
	const uint8_t *from = p;

	if (v->in_ended)
		return;
	ASSERT(n <= v->may_write);
	v->may_write -= n;
	for (size_t part; n > MAX_FRAME_BYTES; from += part, n -= part) {
		part = MAX_FRAME_BYTES;
		write_frame(v, from, part, false);
	}
	if (n || end)
		write_frame(v, from, n, end);
	v->in_ended = end;
}

void
visit_size(struct visit *v, uint32_t rows, uint32_t columns)
{
	Drover__SessionSize z = DROVER__SESSION_SIZE__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	z.session = v->number;
	z.rows = rows;
	z.columns = columns;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_SIZE;
	m.session_size = &z;
	send_or_log(v, &m);
}

/* ---- in from the host ---- */

static struct visit *
find(struct visits *vs, obj_id host, uint64_t number)
{
	LIST_EACH(struct visit, v, &vs->all, node) {
		if (v->number == number && obj_id_is(v->host, host))
			return v;
	}
	return NULL;
}

/* The host breaks the rules of one session: that one is ended. */
static void
cut(struct visit *v, const char *why)
{
	struct err e = ERR_INIT;

	log_warn("session", "session %" PRIu64 " on host \"%s\" is cut: %s", v->number,
	    inv_name(v->vs->inv, v->host), why);
	err_set(
	    &e, ERR_INTERNAL, "host \"%s\": %s", inv_name(v->vs->inv, v->host), why);
	tell_end(v);
	fail(v, &e);
}

static void
take_data(struct visit *v, const Drover__SessionData *d)
{
	enum visit_way way = (enum visit_way)d->stream;

	if (way != VISIT_OUT && way != VISIT_ERR) {
		cut(v, "it sends on a stream that goes in");
		return;
	}
	if (d->data.len > v->granted[way]) {
		cut(v, "it sends more than was granted");
		return;
	}
	v->granted[way] -= d->data.len;
	v->to.ev->data(v->to.arg, way, d->data.data, d->data.len, d->end);
}

static void
take_credit(struct visit *v, const Drover__SessionCredit *c)
{
	if (c->stream != DROVER__SESSION_STREAM__SESSION_IN) {
		cut(v, "it grants a stream that comes out");
		return;
	}
	if (c->bytes > MAX_VISIT_WINDOW || v->may_write + c->bytes > MAX_VISIT_WINDOW) {
		cut(v, "it grants more than anybody could hold");
		return;
	}
	v->may_write += c->bytes;
	if (v->to.ev->room)
		v->to.ev->room(v->to.arg);
}

static void
take_end(struct visit *v, const Drover__SessionEnd *m)
{
	struct err e = ERR_INIT;
	struct visit_end end = { .exit_code = m->exit_code, .signal = m->signal };

	if (m->fault) {
		end.rc = msg_fault_err(m->fault, &e);
		end.err = &e;
	}
	end_visit(v, &end);
}

static void
on_message(void *arg, obj_id host, const Drover__Envelope *m)
{
	struct visits *vs = arg;
	uint64_t number = 0;
	struct visit *v;

	if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_DATA)
		number = m->session_data->session;
	else if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_CREDIT)
		number = m->session_credit->session;
	else if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_END)
		number = m->session_end->session;
	v = find(vs, host, number);
	if (!v)
		return; /* closed meanwhile: the host is told or will be */
	if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_DATA)
		take_data(v, m->session_data);
	else if (m->body_case == DROVER__ENVELOPE__BODY_SESSION_CREDIT)
		take_credit(v, m->session_credit);
	else
		take_end(v, m->session_end);
}

static void
on_down(void *arg, obj_id host)
{
	struct visits *vs = arg;
	struct list lost;
	struct visit *v;
	struct err e = ERR_INIT;

	list_init(&lost);
	LIST_EACH_SAFE(struct visit, each, &vs->all, node) {
		if (!obj_id_is(each->host, host))
			continue;
		list_remove(&each->node);
		list_add_tail(&lost, &each->node);
	}
	err_set(&e, ERR_LOST, "the link to host \"%s\" broke", inv_name(vs->inv, host));
	/* Whoever hears of it may close others of them. */
	while ((v = LIST_FIRST(struct visit, &lost, node)) != NULL)
		fail(v, &e);
}
