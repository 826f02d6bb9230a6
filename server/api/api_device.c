#include "base/str.h"
#include "server/api/api_int.h"

/* As the op, whose argument comes with the query here. */
void
api_disk_remove(struct api_call *c)
{
	const char *keep = request_arg(c->req, "keep");

	if (keep && !str_same(keep, "true") && !str_same(keep, "false")) {
		api_refuse(c, ERR_INVALID, "keep: wants true or false");
		return;
	}
	if (keep)
		json_set_bool(c->body, "keep", str_same(keep, "true"));
	api_op(c);
}
