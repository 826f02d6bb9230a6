/*
 * What objects count for where they are asked about as groups: the place that they are
 * in, or their tags.
 */
#include <string.h>

#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/api_stat_ask.h"
#include "server/inventory/inv_json.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/inv_tag.h"
#include "server/inventory/inv_within.h"

/* Pairs of an object and what it counts for; an object may have several. */
struct pairs {
	obj_id *ids, *groups;
	size_t n;
};

static void
add_pair(struct pairs *p, obj_id id, obj_id group)
{
	/* Room doubles whenever the number is a power of two. */
	if (!(p->n & (p->n - 1))) {
		size_t room = p->n ? 2 * p->n : 1;

		p->ids = xreallocarray(p->ids, room, sizeof(*p->ids));
		p->groups = xreallocarray(p->groups, room, sizeof(*p->groups));
	}
	p->ids[p->n] = id;
	p->groups[p->n++] = group;
}

/* ---- places ---- */

static void
pair_places(const struct inv *inv, const struct stat_names *a, enum obj_kind kind,
    struct pairs *p)
{
	AUTO(inv_within) struct inv_within *w = inv_within_kind(inv, kind);

	for (size_t i = 0; i < a->n_ids; i++) {
		const struct obj *o = inv_get(inv, a->ids[i]);
		obj_id in = o ? inv_within_find(w, o) : OBJ_ID_NONE;

		if (!obj_id_none(in))
			add_pair(p, a->ids[i], in);
	}
}

static enum obj_kind
place_kind(const char *word)
{
	static const enum obj_kind kinds[] = { KIND_POOL, KIND_CLUSTER, KIND_FOLDER,
		KIND_HOST, KIND_DATACENTER };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_same(word, kind_word(kinds[i])))
			return kinds[i];
	}
	return KIND_NONE;
}

/* ---- tags ---- */

static const struct id_list *
tags_of(const struct obj *o)
{
	/* The most by far: without a look for the field of each. */
	if (obj_id_kind(o->id) == KIND_VM)
		return &((const struct vm *)o)->tags;
	return inv_tags_of(o);
}

static void
pair_tags(
    const struct inv *inv, const struct stat_names *a, obj_id category, struct pairs *p)
{
	for (size_t i = 0; i < a->n_ids; i++) {
		const struct obj *o = inv_get(inv, a->ids[i]);
		const struct id_list *tags = o ? tags_of(o) : NULL;

		for (size_t k = 0; tags && k < tags->n; k++) {
			const struct tag *t = inv_tag(inv, tags->v[k]);

			if (t &&
			    (obj_id_none(category) || obj_id_is(t->o.parent, category)))
				add_pair(p, a->ids[i], t->o.id);
		}
	}
}

/* Its name or its id; "": any. */
static int
find_category(const struct inv *inv, const char *word, obj_id *ret_id, struct err *e)
{
	const struct obj *o;

	*ret_id = OBJ_ID_NONE;
	if (!*word)
		return 0;
	o = inv_find(inv, OBJ_ID_NONE, KIND_CATEGORY, word);
	if (!o && !obj_id_parse(word, KIND_CATEGORY, ret_id, NULL))
		o = inv_get(inv, *ret_id);
	if (!o)
		return err_set(
		    e, ERR_NOT_FOUND, "group: there is no category \"%.80s\"", word);
	*ret_id = o->id;
	return 0;
}

static const struct tag *
find_one_tag(const struct inv *inv, const char *word, struct err *e)
{
	const struct tag *found = NULL;

	INV_EACH(inv, KIND_TAG, o)
	{
		AUTO_FREE char *path = inv_tag_path(inv, o->id);

		if (str_same(path, word))
			return inv_tag(inv, o->id);
		if (!str_same(o->name, word))
			continue;
		if (found) {
			err_set(e, ERR_INVALID,
			    "tag: several categories have a \"%.80s\": name one, such as "
			    "%s",
			    word, path);
			return NULL;
		}
		found = inv_tag(inv, o->id);
	}
	if (!found)
		err_set(e, ERR_NOT_FOUND, "tag: there is no \"%.80s\"", word);
	return found;
}

int
stat_tag_find(const struct inv *inv, const char *word, obj_id *ret_id, struct err *e)
{
	const struct tag *t;
	obj_id id;

	if (!obj_id_parse(word, KIND_TAG, &id, NULL) && inv_tag(inv, id)) {
		*ret_id = id;
		return 0;
	}
	t = find_one_tag(inv, word, e);
	if (!t)
		return e->code;
	*ret_id = t->o.id;
	return 0;
}

bool
stat_tag_has(const struct obj *o, obj_id tag)
{
	const struct id_list *tags = tags_of(o);

	for (size_t i = 0; tags && i < tags->n; i++) {
		if (obj_id_is(tags->v[i], tag))
			return true;
	}
	return false;
}

/* ---- the question ---- */

int
stat_groups_read(
    struct api_call *c, struct stat_names *a, obj_id **ret_groups, struct err *e)
{
	static const char tag_word[] = "tag";
	const char *word = request_arg(c->req, "group");
	const size_t n = sizeof(tag_word) - 1;
	const struct inv *inv = c->api->d.inv;
	enum obj_kind kind = place_kind(word);
	struct pairs p = { 0 };
	obj_id category;

	if (kind != KIND_NONE) {
		pair_places(inv, a, kind, &p);
	} else if (str_starts(word, tag_word) && (!word[n] || word[n] == ':')) {
		int rc = find_category(inv, word[n] ? word + n + 1 : "", &category, e);

		if (rc)
			return rc;
		pair_tags(inv, a, category, &p);
	} else {
		return err_set(e, ERR_INVALID,
		    "group: pool, cluster, folder, host, datacenter, tag or "
		    "tag:CATEGORY, not \"%.40s\"",
		    word);
	}
	free(a->ids);
	a->ids = p.ids;
	a->n_ids = p.n;
	*ret_groups = p.groups;
	return 0;
}
