#include <string.h>

#include "base/str.h"
#include "proto/msg.h"
#include "server/api/api_int.h"
#include "server/hosts/host_file.h"

#define MAX_PATH_TEXT 1024
#define SIZE_HEADER   "x-drover-size:"

static const char *
need_path(struct api_call *c)
{
	const char *path = request_arg(c->req, "path");

	if (path && *path && strlen(path) <= MAX_PATH_TEXT)
		return path;
	api_refuse(c, ERR_INVALID, "path: wants 1 to %d bytes", MAX_PATH_TEXT);
	return NULL;
}

static void
on_file(void *arg, int rc, const struct err *e, json *j)
{
	struct api_call *c = arg;

	if (rc < 0)
		api_reply_err(c, e);
	else
		api_reply_json(c, 200, j ? json_dup(j) : json_new_object());
}

void
api_file_list(struct api_call *c)
{
	const char *path = request_arg(c->req, "path");

	if (path && strlen(path) > MAX_PATH_TEXT)
		api_refuse(c, ERR_INVALID, "path: longer than %d bytes", MAX_PATH_TEXT);
	else
		hosts_file_list(c->api->d.hosts, c->id, path ? path : "", on_file, c);
}

/* A piece that does not follow on what is there: the client goes on from its end. */
static void
refuse_misplaced(struct api_call *c, const json *j)
{
	uint64_t size = 0;
	json *body = json_new_object(), *in = json_new_object();
	char *text;
	struct response *p;

	(void)!json_read_u64(j, "size_bytes", JSON_OPTIONAL, 0, INT64_MAX, &size, NULL);
	AUTO_FREE char *why = xasprintf(
	    "the file has %llu bytes: go on from there", (unsigned long long)size);
	json_set_str(in, "code", err_name(ERR_BAD_STATE));
	json_set_str(in, "message", why);
	json_set_str(in, "request_id", c->req->id);
	json_set_json(body, "error", in);
	json_set_u64(body, "size_bytes", size);
	text = json_text(body);
	json_free(body);
	p = response_new(
	    c->req, err_http(ERR_BAD_STATE), "application/json", text, strlen(text));
	response_add_header(
	    p, SIZE_HEADER, xasprintf("%llu", (unsigned long long)size));
	api_reply_with(c, p);
}

static void
on_written(void *arg, int rc, const struct err *e, json *j)
{
	bool misplaced = false;

	if (!rc && j)
		(void)!json_read_bool(j, "misplaced", JSON_OPTIONAL, &misplaced, NULL);
	if (misplaced)
		refuse_misplaced(arg, j);
	else
		on_file(arg, rc, e, j);
}

/* ---- download ---- */

static char *
etag_of(const struct host_file_data *d)
{
	return xasprintf("\"%llx-%llx\"", (unsigned long long)d->size_bytes,
	    (unsigned long long)d->modified_ms);
}

static uint64_t
offset_of(const struct api_call *c)
{
	const char *s = request_arg(c->req, "offset");
	uint64_t v = 0;

	if (s && parse_u64(s, 0, INT64_MAX, "offset", &v, NULL))
		v = 0;
	return v;
}

static void
on_read(void *arg, int rc, const struct err *e, const struct host_file_data *d)
{
	struct api_call *c = arg;
	const char *wanted = c->req->if_match;
	uint64_t from = offset_of(c);
	AUTO_FREE char *etag = NULL;
	struct response *p;

	if (rc) {
		api_reply_err(c, e);
		return;
	}
	etag = etag_of(d);
	if (wanted && !str_same(wanted, "*") && !strstr(wanted, etag)) {
		api_refuse(c, ERR_CHANGED,
		    "path: \"%.100s\" has changed since then: begin anew",
		    request_arg(c->req, "path"));
		return;
	}
	if (from > d->size_bytes || (from && from == d->size_bytes)) {
		api_refuse(c, ERR_RANGE, "offset: the file has %llu bytes",
		    (unsigned long long)d->size_bytes);
		return;
	}
	p = response_new(c->req, d->n == d->size_bytes ? 200 : 206,
	    "application/octet-stream", xmemdup(d->data, d->n), d->n);
	if (d->n)
		response_add_header(p, "content-range:",
		    xasprintf("bytes %llu-%llu/%llu", (unsigned long long)from,
			(unsigned long long)(from + d->n - 1),
			(unsigned long long)d->size_bytes));
	response_add_header(p, "etag:", MOVE(etag));
	response_add_header(
	    p, SIZE_HEADER, xasprintf("%llu", (unsigned long long)d->size_bytes));
	api_reply_with(c, p);
}

void
api_file_read(struct api_call *c)
{
	struct host_file_range r = { .path = need_path(c) };
	uint64_t length;

	if (!r.path || api_arg_u64(c, "offset", 0, INT64_MAX, &r.offset) < 0 ||
	    api_arg_u64(c, "length", MAX_FILE_CHUNK, MAX_FILE_CHUNK, &length) < 0)
		return;
	if (!length) {
		api_refuse(c, ERR_RANGE, "length: wants 1 to %u bytes", MAX_FILE_CHUNK);
		return;
	}
	r.length = (uint32_t)length;
	hosts_file_read(c->api->d.hosts, c->id, &r, on_read, c);
}

void
api_file_sum(struct api_call *c)
{
	const char *path = need_path(c);

	if (path)
		hosts_file_sum(c->api->d.hosts, c->id, path, on_file, c);
}

void
api_file_write(struct api_call *c)
{
	struct host_file_chunk chunk = { .data = c->req->body, .n = c->req->body_len };
	uint64_t last;

	chunk.path = need_path(c);
	if (!chunk.path ||
	    api_arg_u64(c, "offset", 0, INT64_MAX - MAX_FILE_CHUNK, &chunk.offset) <
		0 ||
	    api_arg_u64(c, "last", 0, 1, &last) < 0)
		return;
	chunk.last = last;
	if (chunk.n > MAX_FILE_CHUNK)
		api_refuse(c, ERR_TOO_LARGE, "a piece may have %u bytes, this has %zu",
		    MAX_FILE_CHUNK, chunk.n);
	else
		hosts_file_write(c->api->d.hosts, c->id, &chunk, on_written, c);
}

void
api_file_delete(struct api_call *c)
{
	const char *path = need_path(c);

	if (path)
		hosts_file_delete(c->api->d.hosts, c->id, path, on_file, c);
}
