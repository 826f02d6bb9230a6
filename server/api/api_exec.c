/*
 * api_exec: a program in a guest, run while its caller waits; and the console's tail.
 */
#include <string.h>

#include "base/str.h"
#include "loop/timer.h"
#include "server/api/visitor.h"

#define MAX_OUTPUT    ((size_t)1 << 20) /* kept of each stream */
#define EXEC_WINDOW   ((size_t)256 * 1024)
#define DEFAULT_SECS  60u
#define MAX_SECS      80u /* the front gives an answer 90 */
#define LOG_MS        30000u
#define MAX_LOG_BYTES 262144u
#define PRESET_LOG    65536u

struct exec_call {
	struct visitor v;
	struct api_call *call;
	struct program program; /* its texts are the call's body's */
	const char *input;
	size_t input_len, input_at;
	struct str out, err;
	bool truncated;
	uint64_t timeout_s;
	struct timer *timer;
};

static void
free_exec(struct exec_call *x)
{
	visitor_fini(&x->v);
	timer_free(x->timer);
	program_fini(&x->program);
	str_fini(&x->out);
	str_fini(&x->err);
	free(x);
}

static void
drop(struct visitor *v)
{
	free_exec((struct exec_call *)v);
}

/* The call is answered last: what it holds is used until then. */
static void
end_with(struct exec_call *x, const struct err *e)
{
	struct api_call *c = x->call;

	free_exec(x);
	api_reply_err(c, e);
}

static void
keep(struct exec_call *x, struct str *to, const void *p, size_t n)
{
	size_t room = MAX_OUTPUT - to->len;

	if (n > room) {
		x->truncated = true;
		n = room;
	}
	str_addn(to, p, n);
}

static void
on_data(void *arg, enum visit_way way, const void *p, size_t n, bool end)
{
	struct exec_call *x = arg;

	keep(x, way == VISIT_OUT ? &x->out : &x->err, p, n);
	if (!end)
		visit_grant(x->v.visit, way, n);
}

static void
on_room(void *arg)
{
	struct exec_call *x = arg;
	size_t n = x->input_len - x->input_at, room = visit_room(x->v.visit);

	if (n > room)
		n = room;
	visit_write(
	    x->v.visit, x->input + x->input_at, n, x->input_at + n == x->input_len);
	x->input_at += n;
}

static void
set_output(json *j, const char *key, const struct str *b)
{
	AUTO_FREE char *text = text_of_bytes(str_cstr(b), b->len);

	json_set_str(j, key, text);
}

static void
on_ended(void *arg, const struct visit_end *end)
{
	struct exec_call *x = arg;
	struct api_call *c = x->call;
	json *j;

	x->v.visit = NULL;
	if (end->rc) {
		end_with(x, end->err);
		return;
	}
	j = json_new_object();
	json_set_u64(j, "exit_code", end->exit_code);
	json_set_u64(j, "signal", end->signal);
	set_output(j, "stdout", &x->out);
	set_output(j, "stderr", &x->err);
	json_set_bool(j, "truncated", x->truncated);
	free_exec(x);
	api_reply_json(c, 200, j);
}

static void
on_late(void *arg)
{
	struct exec_call *x = arg;
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT, "the program did not end within %llu s and was ended",
	    (unsigned long long)x->timeout_s);
	end_with(x, &e);
}

static const struct visit_events exec_events = { on_data, on_room, on_ended };

static struct visit_want
want_of(const struct exec_call *x)
{
	return (struct visit_want){
		.vm = x->call->id,
		.who = &x->call->who,
		.kind = VISIT_EXEC,
		.args = x->program.args,
		.env = x->program.env,
		.cwd = x->program.cwd,
		.uid = (uint32_t)x->program.uid,
		.gid = (uint32_t)x->program.gid,
	};
}

static void
on_recorded(void *arg, int rc, const struct err *e)
{
	struct exec_call *x = arg;
	struct err why = ERR_INIT;
	const struct visit_want w = want_of(x);

	if (rc) {
		end_with(x, e);
		return;
	}
	if (visit_open(x->v.api->d.visits, &w, (struct visit_taker){ &exec_events, x },
		&x->v.visit, &why)) {
		end_with(x, &why);
		return;
	}
	visit_grant(x->v.visit, VISIT_OUT, EXEC_WINDOW);
	visit_grant(x->v.visit, VISIT_ERR, EXEC_WINDOW);
	timer_after(x->timer, x->timeout_s * 1000);
}

static int
read_exec(struct exec_call *x, const json *j, struct err *e)
{
	static const char *const known[] = { "args", "env", "cwd", "uid", "gid",
		"input", "timeout_s", NULL };
	const json *input = json_get(j, "input");

	x->timeout_s = DEFAULT_SECS;
	if (json_only(j, known, e) || program_read(j, NULL, &x->program, e) ||
	    json_read_u64(j, "timeout_s", JSON_OPTIONAL, 1, MAX_SECS, &x->timeout_s, e))
		return e->code;
	if (!input || json_what(input) == JSON_IS_NULL)
		return 0;
	if (json_what(input) != JSON_IS_STR)
		return err_set(e, ERR_INVALID, "input: wants a text");
	x->input = json_str_value(input, &x->input_len);
	return 0;
}

void
api_vm_exec(struct api_call *c)
{
	struct exec_call *x = xcalloc(1, sizeof(*x));
	struct err e = ERR_INIT;
	struct visit_want w;

	x->call = c;
	x->timer = timer_new(c->api->d.loop, on_late, x);
	visitor_add(c->api, &x->v, drop);
	if (!c->body)
		err_set(&e, ERR_INVALID, "args: name no program");
	else if (!read_exec(x, c->body, &e)) {
		w = want_of(x);
		(void)!visit_check(c->api->d.visits, &w, &e);
	}
	if (e.code)
		end_with(x, &e);
	else
		visit_record(c->api->d.visits, &w, on_recorded, x);
}

/* ---- the console, and the screen ---- */

struct log_call {
	struct visitor v;
	struct api_call *call;
	enum visit_kind kind;
	struct str text;
	struct timer *timer;
};

static void
free_log(struct log_call *g)
{
	visitor_fini(&g->v);
	timer_free(g->timer);
	str_fini(&g->text);
	free(g);
}

static void
drop_log(struct visitor *v)
{
	free_log((struct log_call *)v);
}

static void
end_log_with(struct log_call *g, const struct err *e)
{
	struct api_call *c = g->call;

	free_log(g);
	api_reply_err(c, e);
}

static void
on_log_data(void *arg, enum visit_way way, const void *p, size_t n, bool end)
{
	struct log_call *g = arg;

	if (g->text.len + n > MAX_PICTURE_BYTES)
		return;
	str_addn(&g->text, p, n);
	if (!end && g->kind == VISIT_PICTURE)
		visit_grant(g->v.visit, way, n);
}

static void
reply_picture(struct log_call *g)
{
	struct api_call *c = g->call;
	size_t n = g->text.len;
	char *png = str_take(&g->text);

	free_log(g);
	api_reply_with(c, response_new(c->req, 200, "image/png", png, n));
}

static void
on_log_ended(void *arg, const struct visit_end *end)
{
	struct log_call *g = arg;
	struct api_call *c = g->call;
	char *text;

	g->v.visit = NULL;
	if (end->rc) {
		end_log_with(g, end->err);
		return;
	}
	if (g->kind == VISIT_PICTURE) {
		reply_picture(g);
		return;
	}
	text = text_of_bytes(str_cstr(&g->text), g->text.len);
	free_log(g);
	api_reply_text(c, "text/plain; charset=utf-8", text, strlen(text));
}

static void
on_log_late(void *arg)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT, "the host did not answer within %u s", LOG_MS / 1000);
	end_log_with(arg, &e);
}

static const struct visit_events log_events = { on_log_data, NULL, on_log_ended };

static void
look(struct api_call *c, enum visit_kind kind, uint64_t bytes)
{
	const struct visit_want w = {
		.vm = c->id,
		.who = &c->who,
		.kind = kind,
		.log_bytes = (uint32_t)bytes,
	};
	struct log_call *g = xcalloc(1, sizeof(*g));
	struct err e = ERR_INIT;

	g->call = c;
	g->kind = kind;
	g->timer = timer_new(c->api->d.loop, on_log_late, g);
	visitor_add(c->api, &g->v, drop_log);
	if (visit_open(c->api->d.visits, &w, (struct visit_taker){ &log_events, g },
		&g->v.visit, &e)) {
		end_log_with(g, &e);
		return;
	}
	visit_grant(g->v.visit, VISIT_OUT, MAX_LOG_BYTES);
	timer_after(g->timer, LOG_MS);
}

void
api_vm_log(struct api_call *c)
{
	uint64_t bytes;

	if (api_arg_u64(c, "bytes", PRESET_LOG, MAX_LOG_BYTES, &bytes) >= 0)
		look(c, VISIT_LOG, bytes);
}

void
api_vm_picture(struct api_call *c)
{
	look(c, VISIT_PICTURE, 0);
}
