/*
 * enter: a terminal or a program's pipes inside a guest, its screen or its serial
 * line, over a WebSocket (docs/api.md).
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "loop/timer.h"
#include "server/api/ticket.h"
#include "server/api/visitor.h"

#define CLOSE_UNAUTHENTICATED 4401
#define CLOSE_REFUSED         4403
#define CLOSE_PROTOCOL        1002
#define ENTER_WINDOW          ((size_t)128 * 1024) /* of each way out of the guest */
#define ENTER_LOW             ((size_t)32 * 1024) /* that may wait when more is asked for */
#define CHECK_MS              15000u
#define MAX_TTY               1000u
#define SERIAL_TAIL           16384u /* of a serial line, before what it says from now on */

struct enters {
	struct api *api;
	struct map *by_ws;
	struct tickets *tickets;
};

struct enter {
	struct visitor v;
	struct enters *all;
	uint64_t ws;
	obj_id vm;
	struct caller who;
	char session[24];
	json *start; /* the first message; the program's texts are in it */
	enum visit_kind kind;
	struct program program;
	bool tty;
	uint64_t rows, columns;
	size_t queued;              /* bytes on their way to the client */
	size_t owed[VISIT_ERR + 1]; /* came and not granted anew */
	size_t may_come;            /* the client was told that it may send so much */
	bool in_ended;
	struct timer *timer;
};

static void
free_enter(struct enter *x)
{
	map_del(x->all->by_ws, x->ws);
	visitor_fini(&x->v);
	timer_free(x->timer);
	program_fini(&x->program);
	json_free(x->start);
	free(x);
}

static void
drop(struct visitor *v)
{
	free_enter((struct enter *)v);
}

static void
say(struct enter *x, json *j_take)
{
	char *text = json_text(j_take);
	size_t n = strlen(text);

	json_free(j_take);
	x->queued += n;
	front_ws_send(x->v.api->front, x->ws, text, n);
}

static json *
message(const char *type)
{
	json *j = json_new_object();

	json_set_str(j, "type", type);
	return j;
}

/* The last word; the socket closes behind it. */
static void
finish(struct enter *x, json *j_take)
{
	say(x, j_take);
	front_ws_finish(x->v.api->front, x->ws);
	free_enter(x);
}

static void
fail(struct enter *x, const struct err *e)
{
	json *j = message("end"), *in = json_new_object();

	json_set_str(in, "code", err_name(e->code));
	json_set_str(in, "message", e->msg);
	json_set_json(j, "error", in);
	finish(x, j);
}

static void
cut(struct enter *x, uint16_t code, const char *why)
{
	log_info("enter", "closing socket %llu: %s", (unsigned long long)x->ws, why);
	front_ws_close(x->v.api->front, x->ws, code, why);
	free_enter(x);
}

/* ---- the guest's side ---- */

static void
on_data(void *arg, enum visit_way way, const void *p, size_t n, bool end)
{
	struct enter *x = arg;
	uint8_t *frame;

	if (!n)
		return;
	frame = xmalloc(n + 1);
	frame[0] = (uint8_t)way;
	memcpy(frame + 1, p, n);
	x->queued += n + 1;
	x->owed[way] += n;
	front_ws_send_binary(x->v.api->front, x->ws, frame, n + 1);
}

static void
on_room(void *arg)
{
	struct enter *x = arg;
	size_t more = visit_room(x->v.visit) - x->may_come;
	json *j;

	if (x->in_ended)
		return;
	j = message("credit");
	x->may_come += more;
	json_set_u64(j, "bytes", more);
	say(x, j);
}

static void
on_ended(void *arg, const struct visit_end *end)
{
	struct enter *x = arg;
	json *j;

	x->v.visit = NULL;
	if (end->rc) {
		fail(x, end->err);
		return;
	}
	j = message("end");
	json_set_u64(j, "exit_code", end->exit_code);
	json_set_u64(j, "signal", end->signal);
	finish(x, j);
}

static const struct visit_events events = { on_data, on_room, on_ended };

static struct visit_want
want_of(const struct enter *x)
{
	return (struct visit_want){
		.vm = x->vm,
		.who = &x->who,
		.kind = x->kind,
		.args = x->program.args,
		.env = x->program.env,
		.cwd = x->program.cwd,
		.uid = (uint32_t)x->program.uid,
		.gid = (uint32_t)x->program.gid,
		.tty = x->tty,
		.rows = (uint32_t)x->rows,
		.columns = (uint32_t)x->columns,
		.log_bytes = SERIAL_TAIL,
	};
}

/* By the socket's number: it may have closed meanwhile. */
struct recorded {
	struct enters *all;
	uint64_t ws;
};

static void
on_recorded(void *arg, int rc, const struct err *e)
{
	struct recorded *r = arg;
	struct enter *x = map_get(r->all->by_ws, r->ws);
	struct err why = ERR_INIT;

	free(r);
	if (!x)
		return;
	const struct visit_want w = want_of(x);
	if (rc) {
		fail(x, e);
		return;
	}
	if (visit_open(x->v.api->d.visits, &w, (struct visit_taker){ &events, x },
		&x->v.visit, &why)) {
		fail(x, &why);
		return;
	}
	visit_grant(x->v.visit, VISIT_OUT, ENTER_WINDOW);
	if (x->kind == VISIT_EXEC)
		visit_grant(x->v.visit, VISIT_ERR, ENTER_WINDOW);
	say(x, message("started"));
}

/* ---- the client's side ---- */

/* Who logged out or was disabled is out at the next look, as in the watch. */
static void
on_check(void *arg)
{
	struct enter *x = arg;
	const struct api *a = x->v.api;
	const struct session *ss = session_by_id(a->d.sessions, x->session);
	const struct user *u = ss ? inv_user(a->d.inv, ss->user) : NULL;

	if (!u || !u->enabled || u->role < ROLE_OPERATOR)
		cut(x, CLOSE_UNAUTHENTICATED, "the session has ended");
	else if (!x->start)
		cut(x, CLOSE_PROTOCOL, "nothing was started");
	else
		say(x, message("ping"));
}

static int
read_what(struct enter *x, json *m, struct err *e)
{
	static const char *const known[] = { "type", "what", NULL };
	const char *what = "program";

	if (json_read_str(m, "what", JSON_OPTIONAL, 20, &what, e))
		return e->code;
	if (!strcmp(what, "program"))
		return 0;
	if (!strcmp(what, "screen"))
		x->kind = VISIT_SCREEN;
	else if (!strcmp(what, "serial"))
		x->kind = VISIT_SERIAL;
	else
		return err_set(e, ERR_INVALID,
		    "what: \"%s\" is none of program, screen, serial", what);
	return json_only(m, known, e);
}

static int
read_program(struct enter *x, json *m, struct err *e)
{
	/* The best shell that the guest has, as at a login. */
	static const char *const shell[] = { "/bin/sh", "-c",
		"command -v bash >/dev/null && exec bash -l; exec sh -l", NULL };
	static const char *const known[] = { "type", "what", "args", "env", "cwd",
		"uid", "gid", "tty", "rows", "columns", NULL };

	x->tty = true;
	x->rows = 24;
	x->columns = 80;
	if (json_only(m, known, e) || program_read(m, shell, &x->program, e) ||
	    json_read_bool(m, "tty", JSON_OPTIONAL, &x->tty, e) ||
	    json_read_u64(m, "rows", JSON_OPTIONAL, 1, MAX_TTY, &x->rows, e) ||
	    json_read_u64(m, "columns", JSON_OPTIONAL, 1, MAX_TTY, &x->columns, e))
		return e->code;
	return 0;
}

static int
read_start(struct enter *x, json *m, struct err *e)
{
	int rc = read_what(x, m, e);

	return rc || x->kind != VISIT_EXEC ? rc : read_program(x, m, e);
}

static void
start(struct enter *x, json *m)
{
	struct err e = ERR_INIT;
	struct visit_want w;

	if (x->start) {
		cut(x, CLOSE_PROTOCOL, "started already");
		return;
	}
	x->start = json_ref(m);
	if (!read_start(x, m, &e)) {
		w = want_of(x);
		(void)!visit_check(x->v.api->d.visits, &w, &e);
	}
	if (e.code) {
		fail(x, &e);
		return;
	}
	struct recorded *r = xcalloc(1, sizeof(*r));
	*r = (struct recorded){ x->all, x->ws };
	visit_record(x->v.api->d.visits, &w, on_recorded, r);
}

static void
resize(struct enter *x, const json *m)
{
	uint64_t rows = 0, columns = 0;
	struct err e = ERR_INIT;

	if (json_read_u64(m, "rows", JSON_REQUIRED, 1, MAX_TTY, &rows, &e) ||
	    json_read_u64(m, "columns", JSON_REQUIRED, 1, MAX_TTY, &columns, &e))
		cut(x, CLOSE_PROTOCOL, "a size wants rows and columns");
	else if (x->v.visit)
		visit_size(x->v.visit, (uint32_t)rows, (uint32_t)columns);
}

static void
end_input(struct enter *x)
{
	if (x->v.visit && !x->in_ended)
		visit_write(x->v.visit, NULL, 0, true);
	x->in_ended = true;
}

bool
enter_text(struct enters *es, uint64_t ws, const char *text, size_t n)
{
	struct enter *x = map_get(es->by_ws, ws);
	AUTO(json) json *m = NULL;
	const char *type = "";
	struct err e = ERR_INIT;

	if (!x)
		return false;
	if (json_parse(text, n, "message", &m, &e) || json_what(m) != JSON_IS_OBJECT ||
	    json_read_str(m, "type", JSON_REQUIRED, 40, &type, &e))
		cut(x, CLOSE_PROTOCOL, "a text frame wants a JSON object with a type");
	else if (!strcmp(type, "start"))
		start(x, m);
	else if (!strcmp(type, "size"))
		resize(x, m);
	else if (!strcmp(type, "end"))
		end_input(x);
	else if (strcmp(type, "pong") != 0)
		cut(x, CLOSE_PROTOCOL, "a message of that type is not known");
	return true;
}

void
enter_binary(struct enters *es, uint64_t ws, const uint8_t *p, size_t n)
{
	struct enter *x = map_get(es->by_ws, ws);

	if (!x)
		return;
	if (!n || p[0] != VISIT_IN) {
		cut(x, CLOSE_PROTOCOL, "a binary frame begins with 0, for input");
		return;
	}
	p++;
	n--;
	if (n > x->may_come || x->in_ended) {
		cut(x, CLOSE_PROTOCOL, "more input came than was granted");
		return;
	}
	x->may_come -= n;
	if (x->v.visit)
		visit_write(x->v.visit, p, n, false);
}

/* Out of the guest comes more when the client has read most of what was. */
bool
enter_drained(struct enters *es, uint64_t ws, size_t n)
{
	struct enter *x = map_get(es->by_ws, ws);

	if (!x)
		return false;
	x->queued -= n;
	for (enum visit_way way = VISIT_OUT; x->v.visit && way <= VISIT_ERR; way++) {
		if (x->queued > ENTER_LOW || !x->owed[way])
			continue;
		visit_grant(x->v.visit, way, x->owed[way]);
		x->owed[way] = 0;
	}
	return true;
}

bool
enter_closed(struct enters *es, uint64_t ws)
{
	struct enter *x = map_get(es->by_ws, ws);

	if (x)
		free_enter(x);
	return x != NULL;
}

/* The route says who may; the request stands for it as any other does. */
void
enter_open(struct enters *es, uint64_t ws, struct request *r_take)
{
	struct api *a = es->api;
	struct err e = ERR_INIT;
	struct api_call *c = api_call_of(a, r_take, &e);

	if (!e.code && c->route->handler != api_vm_enter)
		err_set(&e, ERR_NOT_FOUND, "nothing is to be entered there");
	if (!e.code && c->req->origin)
		(void)!ticket_use(es->tickets, request_arg(c->req, "ticket"), c->id,
		    c->session, loop_now_ms(a->d.loop), &e);
	if (e.code) {
		front_ws_close(a->front, ws,
		    e.code == ERR_UNAUTHENTICATED ? CLOSE_UNAUTHENTICATED
						  : CLOSE_REFUSED,
		    e.msg);
		api_drop(c);
		return;
	}
	struct enter *x = xcalloc(1, sizeof(*x));
	x->all = es;
	x->ws = ws;
	x->vm = c->id;
	x->who = c->who;
	snprintf(x->session, sizeof(x->session), "%s", c->session);
	x->timer = timer_new(a->d.loop, on_check, x);
	timer_every(x->timer, CHECK_MS);
	visitor_add(a, &x->v, drop);
	map_put(es->by_ws, ws, x);
	api_drop(c);
}

struct enters *
enters_new(struct api *a)
{
	struct enters *es = xcalloc(1, sizeof(*es));

	es->api = a;
	es->by_ws = map_new_u64();
	es->tickets = tickets_new();
	return es;
}

void
enters_free(struct enters *es)
{
	if (!es)
		return;
	map_free(es->by_ws);
	tickets_free(es->tickets);
	free(es);
}

/* Asked without the handshake of a WebSocket. */
void
api_vm_enter(struct api_call *c)
{
	api_refuse(c, ERR_INVALID,
	    "%s wants a WebSocket of the subprotocol drover.session.v1", c->req->path);
}

void
api_vm_ticket(struct api_call *c)
{
	char text[TICKET_TEXT];
	json *j;

	ticket_make(c->api->enters->tickets, c->id, c->session,
	    loop_now_ms(c->api->d.loop), text);
	j = json_new_object();
	json_set_str(j, "ticket", text);
	json_set_u64(j, "expires_in_s", TICKET_MS / 1000);
	api_reply_json(c, 201, j);
}
