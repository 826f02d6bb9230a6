/*
 * inv_tag: tags, the categories that they are in, and which objects have which, as the
 * inventory has them (inv.h).  docs/adr/0050 says why objects have the ids.
 */
#pragma once
#include "server/inventory/inv.h"

#define TAGS_MAX 64 /* of one object */

struct category { /* parent: none; the name is unique */
	struct obj o;
	enum tag_cardinality cardinality;
	char *description;
};

struct tag { /* parent: the category */
	struct obj o;
	char *description;
};

const struct category *inv_category(const struct inv *inv, obj_id id);
const struct tag *inv_tag(const struct inv *inv, obj_id id);
/* Of an object, in the order in which it got them; NULL: its kind takes none. */
const struct id_list *inv_tags_of(const struct obj *o);
struct id_list *inv_tags_of_mut(struct obj *o); /* of a txn's copy */
/* "Environment/prod"; "" if there is none. The caller frees it. */
char *inv_tag_path(const struct inv *inv, obj_id tag);
