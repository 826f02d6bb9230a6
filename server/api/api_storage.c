#include <string.h>

#include "proto/msg.h"
#include "server/api/api_int.h"
#include "server/hosts/host_file.h"

#define MAX_PATH_TEXT 1024

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
		hosts_file_write(c->api->d.hosts, c->id, &chunk, on_file, c);
}

void
api_file_delete(struct api_call *c)
{
	const char *path = need_path(c);

	if (path)
		hosts_file_delete(c->api->d.hosts, c->id, path, on_file, c);
}
