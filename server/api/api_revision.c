/*
 * Changes that hold only if an object is still as it was read (ADR 53): the revision of
 * what people set as ETag, If-Match on every PATCH, and what a refusal tells.
 */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "server/api/api_int.h"
#include "server/inventory/inv_json.h"
#include "server/inventory/inv_wish.h"

int
api_if_match(const struct api_call *c, uint64_t *ret_rev, struct err *e)
{
	const char *s = c->req->method == HTTP_PATCH ? c->req->if_match : NULL;
	size_t n = s ? strlen(s) : 0;

	*ret_rev = 0;
	if (!s || str_same(s, "*"))
		return 0;
	AUTO_FREE char *number = n > 2 && s[0] == '"' && s[n - 1] == '"'
				     ? xstrndup(s + 1, n - 2)
				     : xstrdup("");
	if (parse_u64(number, 1, INT64_MAX, "If-Match", ret_rev, NULL) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "If-Match: wants one revision in quotes, such as \"4711\", or *");
}

void
api_reply_object(struct api_call *c, int status, const struct obj *o)
{
	api_reply_json_tagged(c, status, inv_json(c->api->d.inv, o),
	    xasprintf("\"%" PRIu64 "\"", o->wish_rev));
}

void
api_reply_changed(struct api_call *c, const struct err *e, uint64_t rev)
{
	const struct inv *inv = c->api->d.inv;
	const struct obj *o = inv_get(inv, c->id);
	json *j = api_error_json(c, e);

	json_set_json(j, "changes", inv_wish_json(inv, c->id, rev));
	if (o)
		json_set_json(j, "object", inv_json(inv, o));
	api_reply_json_tagged(c, err_http(e->code), j,
	    o ? xasprintf("\"%" PRIu64 "\"", o->wish_rev) : NULL);
}
