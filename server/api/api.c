#include "server/api/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/api_pieces.h"
#include "server/api/visitor.h"
#include "server/api/watch.h"
#include "server/export/export.h"
#include "server/stats/stat_self.h"

#define JSON_TYPE  "application/json"
#define COOKIE     "__Host-drover="
#define BEARER     "Bearer "
#define WATCH_PATH "/api/v1/watch"

static const struct route routes[] = {
#define NONE          ROLE_NONE
#define READ_ONLY     ROLE_READ_ONLY
#define OPERATOR      ROLE_OPERATOR
#define ADMINISTRATOR ROLE_ADMINISTRATOR
#define ROUTE(m, path, role, handler, kind, op, title) \
	{ HTTP_##m, path, ROLE_##role, api_##handler, KIND_##kind, op, title },

#undef READ_ONLY
#undef OPERATOR
#undef ADMINISTRATOR
#include "server/api/route.def"
#undef ROUTE
};

const uint64_t api_bucket_us[LATENCY_BUCKETS - 1] = { 1000, 2500, 5000, 10000, 25000,
	100000, 500000, 2500000 };

const struct route *
api_routes(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(routes);
	return routes;
}

void
api_drop(struct api_call *c)
{
	list_remove(&c->node);
	request_free(c->req);
	json_free(c->body);
	free(c);
}

static void
count(struct api_call *c, int status)
{
	struct route_stat *s =
	    &c->api
		 ->stats[c->route ? c->route - routes : (ptrdiff_t)ARRAY_SIZE(routes)];
	uint64_t us = clock_mono_us(clock_system()) - c->req->received_us;
	size_t b = 0;

	while (b < LATENCY_BUCKETS - 1 && us > api_bucket_us[b])
		b++;
	s->bucket[b]++;
	s->sum_us += us;
	s->by_class[status / 100 % 6]++;
}

static void
send_answer(struct api_call *c, struct response *p)
{
	count(c, p->status);
	log_debug("api", "%s %s -> %d (%s, %s)", method_text(c->req->method),
	    c->req->path, p->status, c->who.name, c->req->id);
	front_reply(c->api->front, p);
	c->answered = true;
}

static void
reply(struct api_call *c, struct response *p)
{
	if (c->answered)
		response_free(p);
	else
		send_answer(c, p);
	api_drop(c);
}

static struct response *
json_response(const struct api_call *c, int status, json *j_take)
{
	char *text = json_text(j_take);

	json_free(j_take);
	return response_new(c->req, status, JSON_TYPE, text, strlen(text));
}

void
api_reply_json_cookie(struct api_call *c, int status, json *j_take, char *cookie_take)
{
	struct response *p = json_response(c, status, j_take);

	p->set_cookie = cookie_take;
	reply(c, p);
}

void
api_reply_json_tagged(struct api_call *c, int status, json *j_take, char *etag_take)
{
	struct response *p = json_response(c, status, j_take);

	if (etag_take)
		response_add_header(p, "etag:", etag_take);
	reply(c, p);
}

void
api_reply_json(struct api_call *c, int status, json *j_take)
{
	api_reply_json_cookie(c, status, j_take, NULL);
}

void
api_reply_text(struct api_call *c, const char *type, char *text_take, size_t n)
{
	reply(c, response_new(c->req, 200, type, text_take, n));
}

void
api_reply_with(struct api_call *c, struct response *p_take)
{
	reply(c, p_take);
}

void
api_reply_done(struct api_call *c)
{
	api_reply_json(c, 200, json_new_object());
}

static json *
error_json(const struct api_call *c, int code, const char *msg)
{
	json *j = json_new_object(), *in = json_new_object();

	json_set_str(in, "code", err_name(code));
	json_set_str(in, "message", msg);
	json_set_str(in, "request_id", c->req->id);
	json_set_json(j, "error", in);
	return j;
}

json *
api_error_json(const struct api_call *c, const struct err *e)
{
	return error_json(c, e->code, e->msg);
}

void
api_refuse_later(struct api_call *c, int code, uint32_t retry_after_s, const char *msg)
{
	struct response *p = json_response(c, err_http(code), error_json(c, code, msg));
	p->retry_after_s = retry_after_s;
	reply(c, p);
}

void
api_answer_early(struct api_call *c, const struct err *e)
{
	if (!c->answered)
		send_answer(
		    c, json_response(c, err_http(e->code), api_error_json(c, e)));
}

void
api_reply_err(struct api_call *c, const struct err *e)
{
	api_refuse_later(c, e->code, 0, e->msg);
}

void
api_refuse(struct api_call *c, int code, const char *fmt, ...)
{
	char msg[240];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	api_refuse_later(c, code, 0, msg);
}

int
api_need_body(struct api_call *c, const char *const *known)
{
	struct err e = ERR_INIT;

	if (!c->body) {
		api_refuse(
		    c, ERR_INVALID, "the request needs a JSON object as its body");
		return -1;
	}
	if (json_only(c->body, known, &e) == 0)
		return 0;
	api_reply_err(c, &e);
	return -1;
}

int
api_arg_u64(struct api_call *c, const char *name, uint64_t preset, uint64_t max,
    uint64_t *ret_v)
{
	const char *s = request_arg(c->req, name);
	struct err e = ERR_INIT;

	*ret_v = preset;
	if (!s || parse_u64(s, 0, max, name, ret_v, &e) == 0)
		return 0;
	api_reply_err(c, &e);
	return -1;
}

/* The value of our cookie, malloc'd; NULL without one. */
static char *
cookie_token(const char *cookie)
{
	for (const char *p = cookie; p && *p;) {
		p += strspn(p, "; ");
		if (str_starts(p, COOKIE)) {
			p += strlen(COOKIE);
			return xstrndup(p, strcspn(p, "; "));
		}
		p += strcspn(p, ";");
	}
	return NULL;
}

static bool
has_bearer(const struct request *r)
{
	return r->authorization && str_starts(r->authorization, BEARER);
}

const struct session *
api_authenticate(struct api *a, const struct request *r)
{
	if (has_bearer(r))
		return session_find(a->d.sessions, r->authorization + strlen(BEARER));
	AUTO_FREE char *token = cookie_token(r->cookie);
	return token ? session_find(a->d.sessions, token) : NULL;
}

/* A page's change must carry the session's word: another site can send the cookie, not
 * the word. */
static bool
csrf_fits(const struct api_call *c, const struct session *ss)
{
	size_t n = strlen(ss->csrf);

	if (c->req->method == HTTP_GET || has_bearer(c->req))
		return true;
	return n && c->req->csrf && strlen(c->req->csrf) == n &&
	       secret_equal(c->req->csrf, ss->csrf, n);
}

static int
authorize(struct api_call *c, struct err *e)
{
	const struct session *ss = api_authenticate(c->api, c->req);

	if (ss) {
		const struct user *u = inv_user(c->api->d.inv, ss->user);
		c->who.user = ss->user;
		c->who.role = session_role(c->api->d.sessions, ss);
		snprintf(c->who.name, sizeof(c->who.name), "%s", u->o.name);
		snprintf(c->session, sizeof(c->session), "%s", ss->id);
	}
	if (c->route->min_role == ROLE_NONE)
		return 0;
	if (!ss)
		return err_set(e, ERR_UNAUTHENTICATED, "log in first");
	if (!csrf_fits(c, ss))
		return err_set(
		    e, ERR_DENIED, "X-Drover-Csrf is missing or not this session's");
	if (c->who.role < c->route->min_role)
		return err_set(e, ERR_DENIED, "%s wants the role %s; %s has %s",
		    c->route->title, role_text(c->route->min_role), c->who.name,
		    role_text(c->who.role));
	return 0;
}

static bool
takes_bytes(const struct route *r)
{
	return r->handler == api_file_write || r->handler == api_vm_files_put;
}

static int
read_body(struct api_call *c, struct err *e)
{
	const struct request *r = c->req;

	if (!r->body_len || takes_bytes(c->route))
		return 0;
	if (r->content_type && !str_starts(r->content_type, JSON_TYPE))
		return err_set(e, ERR_INVALID, "the body must be %s, not %s", JSON_TYPE,
		    r->content_type);
	int rc = json_parse((const char *)r->body, r->body_len, "body", &c->body, e);
	if (rc < 0)
		return rc;
	if (json_what(c->body) != JSON_IS_OBJECT)
		return err_set(e, ERR_INVALID, "body: wants a JSON object");
	return 0;
}

static int
find_object(struct api_call *c, struct err *e)
{
	if (c->route->kind == KIND_NONE || !*c->at.seg)
		return 0;
	int rc = obj_id_parse(c->at.seg, c->route->kind, &c->id, e);
	if (rc < 0)
		return rc;
	if (inv_get(c->api->d.inv, c->id))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "there is no %s", c->at.seg);
}

/* What stands in the path is an argument like those of the body. */
static int
take_path_arg(struct api_call *c, struct err *e)
{
	AUTO_FREE char *name = route_arg_name(c->route);

	if (!name)
		return 0;
	if (!c->body)
		c->body = json_new_object();
	if (json_get(c->body, name))
		return err_set(e, ERR_INVALID, "%s: is in the path already", name);
	json_set_str(c->body, name, c->at.arg);
	return 0;
}

static int
prepare(struct api_call *c, struct err *e)
{
	size_t n;
	const struct route *all = api_routes(&n);
	int rc = route_find(all, n, c->req->method, c->req->path, &c->route, &c->at);

	if (rc == ERR_UNSUPPORTED)
		return err_set(
		    e, ERR_METHOD, "%s does not take this method", c->req->path);
	if (rc < 0)
		return err_set(e, ERR_NOT_FOUND, "there is no %s", c->req->path);
	/* Who asks is settled before anything that he sent is read. */
	rc = authorize(c, e);
	if (rc == 0)
		rc = read_body(c, e);
	if (rc == 0)
		rc = find_object(c, e);
	return rc == 0 ? take_path_arg(c, e) : rc;
}

struct api_call *
api_call_of(struct api *a, struct request *r_take, struct err *e)
{
	struct api_call *c = xcalloc(1, sizeof(*c));

	c->api = a;
	list_add_tail(&a->calls, &c->node);
	c->req = r_take;
	snprintf(c->who.address, sizeof(c->who.address), "%s", r_take->peer);
	snprintf(c->who.request_id, sizeof(c->who.request_id), "%s", r_take->id);
	(void)prepare(c, e);
	return c;
}

static void
on_request(struct request *r_take, void *arg)
{
	struct err e = ERR_INIT;
	struct api_call *c = api_call_of(arg, r_take, &e);

	if (e.code)
		api_reply_err(c, &e);
	else
		c->route->handler(c);
}

static void
on_reply_drained(uint64_t conn, void *arg)
{
	api_piece_wanted(arg, conn);
}

static void
on_reply_closed(uint64_t conn, void *arg)
{
	api_pieces_closed(arg, conn);
}

static void
on_ws_open(uint64_t ws, struct request *r_take, void *arg)
{
	struct api *a = arg;

	if (!str_same(r_take->path, WATCH_PATH)) {
		enter_open(a->enters, ws, r_take);
		return;
	}
	const struct session *ss = api_authenticate(a, r_take);
	bool may = ss && session_role(a->d.sessions, ss) >= ROLE_READ_ONLY;
	watch_open(a->watch, ws, may ? ss->id : NULL);
	request_free(r_take);
}

static void
on_ws_text(uint64_t ws, const char *text, size_t n, void *arg)
{
	struct api *a = arg;

	if (!enter_text(a->enters, ws, text, n))
		watch_text(a->watch, ws, text, n);
}

static void
on_ws_binary(uint64_t ws, const uint8_t *p, size_t n, void *arg)
{
	enter_binary(((struct api *)arg)->enters, ws, p, n);
}

static void
on_ws_drained(uint64_t ws, size_t n, void *arg)
{
	struct api *a = arg;

	if (!enter_drained(a->enters, ws, n))
		watch_drained(a->watch, ws, n);
}

static void
on_ws_closed(uint64_t ws, void *arg)
{
	struct api *a = arg;

	if (!enter_closed(a->enters, ws))
		watch_closed(a->watch, ws);
}

const struct front_events api_front_events = {
	.on_request = on_request,
	.on_reply_drained = on_reply_drained,
	.on_reply_closed = on_reply_closed,
	.on_ws_open = on_ws_open,
	.on_ws_text = on_ws_text,
	.on_ws_binary = on_ws_binary,
	.on_ws_drained = on_ws_drained,
	.on_ws_closed = on_ws_closed,
};

struct api *
api_new(const struct api_deps *deps)
{
	struct api *a = xcalloc(1, sizeof(*a));
	uint8_t raw[16];

	a->d = *deps;
	list_init(&a->calls);
	list_init(&a->visitors);
	a->pieces = map_new_u64();
	a->enters = enters_new(a);
	rng_secret(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), a->boot);
	a->started_ms = clock_wall_ms(loop_clock(deps->loop));
	a->stats = xcalloc(ARRAY_SIZE(routes) + 1, sizeof(*a->stats));
	a->waits = task_waits_new(a);
	a->doubt = doubt_new(a);
	return a;
}

void
api_set_front(struct api *a, struct front *f)
{
	const struct watch_deps d = {
		.loop = a->d.loop,
		.inv = a->d.inv,
		.sessions = a->d.sessions,
		.front = f,
		.stats = a->d.stats,
		.boot = a->boot,
	};
	a->front = f;
	a->watch = watch_new(&d);
	if (a->d.stats)
		stats_set_api(a->d.stats, &api_self, a);
	if (a->d.exporter)
		exporter_set_api(a->d.exporter, &api_export, a);
}

void
api_free(struct api *a)
{
	if (!a)
		return;
	LIST_EACH_SAFE(struct visitor, v, &a->visitors, node) {
		v->drop(v);
	}
	if (a->d.exporter)
		exporter_set_api(a->d.exporter, NULL, NULL);
	if (a->d.stats)
		stats_set_api(a->d.stats, NULL, NULL);
	api_pieces_free(a);
	enters_free(a->enters);
	doubt_free(a->doubt);
	task_waits_free(a->waits);
	watch_free(a->watch);
	/* The front has gone before us: there is nobody to answer. */
	LIST_EACH_SAFE(struct api_call, c, &a->calls, node) {
		api_drop(c);
	}
	free(a->stats);
	free(a);
}
