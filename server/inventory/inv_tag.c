#include "server/inventory/inv_tag.h"

#include "base/mem.h"
#include "server/inventory/inv_int.h"

const struct id_list *
inv_tags_of(const struct obj *o)
{
	const struct field *f = field_find(obj_id_kind(o->id), "tags");

	return f ? field_ids(o, f) : NULL;
}

struct id_list *
inv_tags_of_mut(struct obj *o)
{
	const struct field *f = field_find(obj_id_kind(o->id), "tags");

	return f ? field_at_mut(o, f) : NULL;
}

char *
inv_tag_path(const struct inv *inv, obj_id tag)
{
	const struct tag *t = inv_tag(inv, tag);

	return t ? xasprintf("%s/%s", inv_name(inv, t->o.parent), t->o.name)
		 : xstrdup("");
}
