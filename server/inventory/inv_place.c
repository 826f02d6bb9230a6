#include "server/inventory/inv_place.h"

#include "server/inventory/inv.h"

struct places {
	obj_id *ids;
	size_t n;
};

static void
add_place(struct places *p, obj_id id)
{
	if (obj_id_none(id) || p->n == INV_PLACES_MAX)
		return;
	for (size_t i = 0; i < p->n; i++) {
		if (obj_id_is(p->ids[i], id))
			return;
	}
	p->ids[p->n++] = id;
}

size_t
inv_places_seen(
    inv_look_fn look, const void *arg, obj_id id, obj_id ret_ids[INV_PLACES_MAX])
{
	struct places p = { ret_ids, 0 };

	add_place(&p, id);
	for (size_t i = 0; i < p.n; i++) {
		const struct obj *o = look(arg, p.ids[i]);

		if (!o)
			continue;
		add_place(&p, o->parent);
		if (obj_id_kind(o->id) == KIND_VM) {
			add_place(&p, ((const struct vm *)o)->host);
			add_place(&p, ((const struct vm *)o)->pool);
		}
	}
	return p.n;
}

static const struct obj *
look_in_inventory(const void *inv, obj_id id)
{
	return inv_get(inv, id);
}

size_t
inv_places(const struct inv *inv, obj_id id, obj_id ret_ids[INV_PLACES_MAX])
{
	return inv_places_seen(look_in_inventory, inv, id, ret_ids);
}

bool
inv_is_within(const struct inv *inv, obj_id id, obj_id place)
{
	obj_id ids[INV_PLACES_MAX];
	size_t n = inv_places(inv, id, ids);

	for (size_t i = 0; i < n; i++) {
		if (obj_id_is(ids[i], place))
			return true;
	}
	return false;
}
