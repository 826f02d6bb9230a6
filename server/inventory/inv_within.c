#include "server/inventory/inv_within.h"

#include "base/map.h"
#include "server/inventory/inv.h"
#include "server/inventory/inv_place.h"

/* Where a place leads to. */
struct lead {
	obj_id found;   /* none: to nothing that is looked for */
	unsigned steps; /* up to it */
};

struct inv_within {
	const struct inv *inv;
	obj_id place;       /* none: any of the kind */
	enum obj_kind kind; /* if there is no place */
	struct map *leads;  /* by id of the place: struct lead */
};

static struct inv_within *
within_new(const struct inv *inv, obj_id place, enum obj_kind kind)
{
	struct inv_within *w = xcalloc(1, sizeof(*w));

	w->inv = inv;
	w->place = place;
	w->kind = kind;
	w->leads = map_new_u64();
	return w;
}

struct inv_within *
inv_within_place(const struct inv *inv, obj_id place)
{
	return within_new(inv, place, KIND_NONE);
}

struct inv_within *
inv_within_kind(const struct inv *inv, enum obj_kind kind)
{
	return within_new(inv, OBJ_ID_NONE, kind);
}

void
inv_within_free(struct inv_within *w)
{
	if (!w)
		return;
	MAP_EACH(w->leads, it)
		free(it.value);
	map_free(w->leads);
	free(w);
}

static bool
is_it(const struct inv_within *w, obj_id id)
{
	return obj_id_none(w->place) ? obj_id_kind(id) == w->kind
				     : obj_id_is(id, w->place);
}

static void
remember(struct inv_within *w, obj_id place, struct lead lead)
{
	map_put(w->leads, place.v, xmemdup(&lead, sizeof(lead)));
}

/* Up from a place, which is in one other at most. */
static struct lead
lead_of(struct inv_within *w, obj_id id)
{
	obj_id path[INV_PLACES_MAX];
	struct lead lead = { 0 };
	size_t n = 0;

	while (!obj_id_none(id) && n < INV_PLACES_MAX) {
		const struct lead *known = map_get(w->leads, id.v);
		const struct obj *o;

		if (known) {
			lead = *known;
			break;
		}
		if (is_it(w, id)) {
			lead.found = id;
			remember(w, id, lead);
			break;
		}
		path[n++] = id;
		o = inv_get(w->inv, id);
		id = o ? o->parent : OBJ_ID_NONE;
	}
	while (n-- > 0) {
		lead.steps++;
		remember(w, path[n], lead);
	}
	return lead;
}

static struct lead
nearer(struct lead a, struct lead b)
{
	if (obj_id_none(a.found))
		return b;
	return obj_id_none(b.found) || a.steps <= b.steps ? a : b;
}

obj_id
inv_within_find(struct inv_within *w, const struct obj *o)
{
	struct lead best;

	if (is_it(w, o->id))
		return o->id;
	best = lead_of(w, o->parent);
	/* A guest is in its folder, on its host and in its pool. */
	if (obj_id_kind(o->id) == KIND_VM) {
		const struct vm *vm = (const struct vm *)o;

		best = nearer(best, lead_of(w, vm->host));
		best = nearer(best, lead_of(w, vm->pool));
	}
	return best.found;
}
