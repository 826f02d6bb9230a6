#include "server/front/request.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

struct request *
request_new(void)
{
	return xcalloc(1, sizeof(struct request));
}

void
request_free(struct request *r)
{
	if (!r)
		return;
	free(r->path);
	for (size_t i = 0; i < r->n_args; i++) {
		free(r->args[i].name);
		free(r->args[i].value);
	}
	free(r->args);
	free(r->authorization);
	free(r->cookie);
	free(r->csrf);
	free(r->op_id);
	free(r->origin);
	free(r->host);
	free(r->content_type);
	free(r->accept);
	free(r->accept_encoding);
	free(r->if_match);
	free(r->body);
	free(r);
}

const char *
request_arg(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_args; i++)
		if (!strcmp(r->args[i].name, name))
			return r->args[i].value;
	return NULL;
}

void
request_add_arg(struct request *r, const char *text)
{
	const char *eq = strchr(text, '=');
	struct query_arg a = {
		eq ? xstrndup(text, (size_t)(eq - text)) : xstrdup(text),
		xstrdup(eq ? eq + 1 : ""),
	};
	r->args = xreallocarray(r->args, r->n_args + 1, sizeof(*r->args));
	r->args[r->n_args++] = a;
}

struct response *
response_new(
    const struct request *r, int status, const char *type, char *body_take, size_t len)
{
	struct response *p = xcalloc(1, sizeof(*p));

	p->conn = r->conn;
	p->status = status;
	p->content_type = type;
	p->body = (uint8_t *)body_take;
	p->body_len = len;
	snprintf(p->request_id, sizeof(p->request_id), "%s", r->id);
	return p;
}

void
response_add_header(struct response *p, const char *name, char *value_take)
{
	ASSERT(p->n_headers < RESPONSE_HEADERS_MAX);
	p->headers[p->n_headers++] = (struct response_header){ name, value_take };
}

void
response_free(struct response *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_headers; i++)
		free(p->headers[i].value);
	free(p->set_cookie);
	free(p->body);
	free(p);
}
