/*
 * Snapshots of one machine, and the one change of them that has arguments in its query.
 */
#include "base/str.h"
#include "server/api/api_int.h"
#include "server/inventory/inv_json.h"

static int
by_time(const void *pa, const void *pb)
{
	const struct snapshot *a = *(const struct snapshot *const *)pa;
	const struct snapshot *b = *(const struct snapshot *const *)pb;

	if (a->o.created_ms != b->o.created_ms)
		return a->o.created_ms < b->o.created_ms ? -1 : 1;
	return a->o.id.v < b->o.id.v ? -1 : a->o.id.v > b->o.id.v;
}

void
api_vm_snapshots(struct api_call *c)
{
	const struct inv *inv = c->api->d.inv;
	const struct vm *vm = inv_vm(inv, c->id);
	const struct snapshot **v =
	    xreallocarray(NULL, vm->o.n_kids + 1, sizeof(void *));
	json *j = json_new_object(), *items = json_new_array();
	size_t n = 0;

	for (size_t i = 0; i < vm->o.n_kids; i++) {
		const struct snapshot *s = inv_snapshot(inv, vm->o.kids[i]);

		if (s)
			v[n++] = s;
	}
	qsort(v, n, sizeof(void *), by_time);
	for (size_t i = 0; i < n; i++)
		json_add_json(items, inv_json(inv, &v[i]->o));
	free(v);
	json_set_json(j, "items", items);
	json_set_u64(j, "total", n);
	json_set_u64(j, "rev", inv_rev(inv));
	api_reply_json(c, 200, j);
}

void
api_snapshot_delete(struct api_call *c)
{
	const char *children = request_arg(c->req, "children");

	if (children && !str_same(children, "true") && !str_same(children, "false")) {
		api_refuse(c, ERR_INVALID, "children: wants true or false");
		return;
	}
	if (children && !c->body)
		c->body = json_new_object();
	if (children)
		json_set_bool(c->body, "children", str_same(children, "true"));
	api_op(c);
}
