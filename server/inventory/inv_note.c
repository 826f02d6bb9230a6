#include "base/assert.h"
#include "server/inventory/inv_int.h"

void *
inv_note_begin(struct inv *inv, obj_id id)
{
	ASSERT(!inv->noted);
	struct obj *o = tree_get(inv, id);
	if (!o)
		return NULL;
	inv->noted = obj_dup(o);
	return o;
}

void
inv_note_end(struct inv *inv, obj_id id)
{
	struct obj *o = tree_get(inv, id);
	ASSERT(o && inv->noted && obj_id_is(inv->noted->id, id));
	uint64_t mask = 0;
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(id), &n);
	for (unsigned i = 0; i < n; i++) {
		if (field_same(o, inv->noted, &f[i]))
			continue;
		/* A wish that bypassed its transaction would be gone after a restart.
		 */
		ASSERT(f[i].flags & FIELD_VOLATILE);
		mask |= 1ULL << i;
	}
	obj_free(inv->noted);
	inv->noted = NULL;
	if (mask)
		inv_changed(inv, o, CHANGE_SET, mask);
}
