#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/follower/follower_int.h"
#include "server/leader/leader_json.h"

#define JSON_TYPE     "application/json"
#define TEXT_TYPE     "text/plain; charset=utf-8"
#define LEADER_PATH   "/api/v1/system/leader"
#define CLOSE_LATER   1013 /* of WebSockets: try again later */
#define RETRY_AFTER_S 1

static struct response *
text_response(const struct request *r, int status, const char *text)
{
	return response_new(r, status, TEXT_TYPE, xstrdup(text), strlen(text));
}

static struct response *
json_response(const struct request *r, int status, json *j_take)
{
	char *text = json_text(j_take);

	json_free(j_take);
	return response_new(r, status, JSON_TYPE, text, strlen(text));
}

static struct response *
refuse(const struct follower *fo, const struct request *r)
{
	const char *api = follower_leader_api(fo);
	json *j = json_new_object(), *in = json_new_object();
	AUTO(str) struct str why = STR_INIT;

	if (*api)
		str_addf(&why, "this server stands by: %s leads", api);
	else
		str_add(&why, "this server stands by: no server is known to lead yet");
	json_set_str(in, "code", err_name(ERR_UNAVAILABLE));
	json_set_str(in, "message", str_cstr(&why));
	json_set_str(in, "request_id", r->id);
	json_set_str(in, "leader", *api ? api : NULL);
	json_set_json(j, "error", in);
	struct response *p = json_response(r, err_http(ERR_UNAVAILABLE), j);
	p->retry_after_s = RETRY_AFTER_S;
	return p;
}

/* What was decoded must not end the header. */
static bool
is_plain(const char *path)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789/-._~";

	return *path == '/' && path[1] != '/' && path[strspn(path, plain)] == '\0';
}

static struct response *
send_to_leader(const struct follower *fo, const struct request *r)
{
	const char *api = follower_leader_api(fo);
	struct response *p;

	if (!*api) {
		p = text_response(r, 503,
		    "This server stands by, and no server is known to lead yet. "
		    "Try again in a moment.\n");
		p->retry_after_s = RETRY_AFTER_S;
		return p;
	}
	p = text_response(r, 307, "Another server leads.\n");
	response_add_header(p, "location:",
	    xasprintf("https://%s%s", api, is_plain(r->path) ? r->path : "/"));
	return p;
}

static struct response *
answer(const struct follower *fo, const struct request *r)
{
	if (r->method == HTTP_GET && str_same(r->path, "/healthz"))
		return text_response(r, 503, "standby\n");
	if (r->method == HTTP_GET && str_same(r->path, LEADER_PATH) && fo->leader)
		return json_response(r, 200, leader_json(fo->leader));
	if (str_starts(r->path, "/api/") || r->method != HTTP_GET ||
	    str_same(r->path, "/metrics") || str_starts(r->path, "/metrics/"))
		return refuse(fo, r);
	return send_to_leader(fo, r);
}

static void
on_request(struct request *r_take, void *arg)
{
	const struct follower *fo = arg;
	AUTO(request) struct request *r = r_take;

	front_reply(fo->front, answer(fo, r));
}

static void
on_ws_open(uint64_t ws, struct request *r_take, void *arg)
{
	const struct follower *fo = arg;

	request_free(r_take);
	front_ws_close(fo->front, ws, CLOSE_LATER, "this server stands by");
}

static void
on_ws_text(uint64_t ws, const char *text, size_t n, void *arg)
{
}

static void
on_ws_binary(uint64_t ws, const uint8_t *p, size_t n, void *arg)
{
}

static void
on_ws_drained(uint64_t ws, size_t n, void *arg)
{
}

static void
on_ws_closed(uint64_t ws, void *arg)
{
}

const struct front_events follower_front_events = {
	.on_request = on_request,
	.on_ws_open = on_ws_open,
	.on_ws_text = on_ws_text,
	.on_ws_binary = on_ws_binary,
	.on_ws_drained = on_ws_drained,
	.on_ws_closed = on_ws_closed,
};
