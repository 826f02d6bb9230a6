/*
 * Tags: what people call objects together, whatever they are and wherever they stand.
 */
#include "server/inventory/inv_tag.h"
#include "server/ops/ops_int.h"

static void
fill_category(const json *args, struct category *cat)
{
	const char *cardinality = arg_str(args, "cardinality");

	if (cardinality)
		cat->cardinality =
		    (enum tag_cardinality)tag_cardinality_parse(cardinality);
	if (arg_has(args, "description"))
		text_set(&cat->description, arg_str(args, "description"));
}

static int
category_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc =
	    txn_add(t, KIND_CATEGORY, OBJ_ID_NONE, arg_str(c->args, "name"), &obj, e);

	if (rc)
		return rc;
	struct category *cat = obj;
	fill_category(c->args, cat);
	created_event(c, t, &cat->o);
	return 0;
}

static int
category_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct category *cat = txn_edit(t, c->entity);
	enum tag_cardinality before = cat->cardinality;

	fill_category(c->args, cat);
	/* Objects may have several by now, or be about to get another. */
	if (before == TAG_MULTIPLE && cat->cardinality == TAG_SINGLE)
		return err_set(e, ERR_BAD_STATE,
		    "cardinality: category \"%s\" lets objects have several of its "
		    "tags, and cannot be narrowed",
		    cat->o.name);
	if (arg_has(c->args, "cardinality") || arg_has(c->args, "description"))
		txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
		    "Changed tag category %s", cat->o.name);
	return apply_rename(c, t, e);
}

/* Remove a tag with its assignments, of which *n more are counted. */
static int
drop_tag(struct op_call *c, struct txn *t, obj_id tag, size_t *n, struct err *e)
{
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		INV_EACH(c->inv, (enum obj_kind)k, o)
		{
			const struct id_list *has = inv_tags_of(o);
			if (!has)
				break;
			if (!id_list_has(has, tag))
				continue;
			int rc = txn_claim(t, o->id, "tags", e);
			if (rc)
				return rc;
			id_list_drop(inv_tags_of_mut(txn_edit(t, o->id)), tag);
			++*n;
		}
	}
	txn_del(t, tag);
	return 0;
}

static int
category_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const struct obj *cat = inv_get(c->inv, c->entity);
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < cat->n_kids; i++)
		rc = drop_tag(c, t, cat->kids[i], &n, e);
	if (rc)
		return rc;
	txn_event(t, EV_OBJECT_REMOVED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Removed tag category %s with %zu tags and %zu assignments", cat->name,
	    cat->n_kids, n);
	txn_del(t, c->entity);
	return 0;
}

static int
tag_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc = arg_exists(c->inv, c->args, "category", e);

	if (!rc)
		rc = txn_add(t, KIND_TAG, arg_id(c->args, "category"),
		    arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct tag *tag = obj;
	text_set(&tag->description, arg_str(c->args, "description"));
	created_event(c, t, &tag->o);
	return 0;
}

static int
tag_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct tag *tag = txn_edit(t, c->entity);

	if (arg_has(c->args, "description")) {
		text_set(&tag->description, arg_str(c->args, "description"));
		txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
		    "Changed tag %s", tag->o.name);
	}
	return apply_rename(c, t, e);
}

static int
tag_delete(struct op_call *c, struct txn *t, struct err *e)
{
	AUTO_FREE char *path = inv_tag_path(c->inv, c->entity);
	size_t n = 0;
	int rc = drop_tag(c, t, c->entity, &n, e);

	if (rc)
		return rc;
	txn_event(t, EV_OBJECT_REMOVED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Removed tag %s, which %zu objects had", path, n);
	return 0;
}

/* ---- assignments ---- */

/* One more of a category that an object may have one tag of? */
static int
check_single(
    const struct inv *inv, const struct obj *o, const struct tag *tag, struct err *e)
{
	const struct category *cat = inv_category(inv, tag->o.parent);
	const struct id_list *has = inv_tags_of(o);

	for (size_t i = 0; cat && cat->cardinality == TAG_SINGLE && i < has->n; i++) {
		const struct tag *other = inv_tag(inv, has->v[i]);
		if (other && obj_id_is(other->o.parent, cat->o.id))
			return err_set(e, ERR_BAD_STATE,
			    "%s \"%s\" has tag \"%s\" already, and may have one of "
			    "category \"%s\"",
			    kind_word(obj_id_kind(o->id)), o->name, other->o.name,
			    cat->o.name);
	}
	if (has->n < TAGS_MAX)
		return 0;
	return err_set(e, ERR_BAD_STATE, "%s \"%s\" has %u tags, which is all it may",
	    kind_word(obj_id_kind(o->id)), o->name, TAGS_MAX);
}

static int
assign_one(struct op_call *c, struct txn *t, obj_id id, struct err *e)
{
	const struct tag *tag = inv_tag(c->inv, c->entity);
	const struct obj *o = inv_get(c->inv, id);

	if (id_list_has(inv_tags_of(o), c->entity))
		return 0;
	int rc = check_single(c->inv, o, tag, e);
	if (rc)
		return rc;
	struct id_list *tags = inv_tags_of_mut(txn_edit(t, id));
	tags->v = xreallocarray(tags->v, tags->n + 1, sizeof(*tags->v));
	tags->v[tags->n++] = c->entity;
	AUTO_FREE char *path = inv_tag_path(c->inv, c->entity);
	txn_event(t, EV_TAG_ATTACHED, id, OBJ_ID_NONE, c->who.name,
	    "Gave %s %s the tag %s", kind_word(obj_id_kind(id)), o->name, path);
	return 0;
}

static int
unassign_one(struct op_call *c, struct txn *t, obj_id id, struct err *e)
{
	const struct obj *o = inv_get(c->inv, id);

	if (!id_list_has(inv_tags_of(o), c->entity))
		return 0;
	id_list_drop(inv_tags_of_mut(txn_edit(t, id)), c->entity);
	AUTO_FREE char *path = inv_tag_path(c->inv, c->entity);
	txn_event(t, EV_TAG_DETACHED, id, OBJ_ID_NONE, c->who.name,
	    "Took the tag %s from %s %s", path, kind_word(obj_id_kind(id)), o->name);
	return 0;
}

typedef int (*one_fn)(struct op_call *c, struct txn *t, obj_id id, struct err *e);

/* What an object has already, or lacks, is no fault: all end up as asked. */
static int
each_object(struct op_call *c, struct txn *t, one_fn one, struct err *e)
{
	struct id_list ids = { 0 };
	char text[OBJ_ID_TEXT];
	int rc = txn_hold(t, c->entity, e);

	arg_ids(c->args, "objects", &ids);
	for (size_t i = 0; !rc && i < ids.n; i++) {
		if (!inv_get(c->inv, ids.v[i]))
			rc = err_set(e, ERR_NOT_FOUND, "objects: there is no %s",
			    obj_id_text(ids.v[i], text));
		if (!rc)
			rc = txn_claim(t, ids.v[i], "tags", e);
		if (!rc)
			rc = one(c, t, ids.v[i], e);
	}
	free(ids.v);
	return rc;
}

static int
tag_assign(struct op_call *c, struct txn *t, struct err *e)
{
	return each_object(c, t, assign_one, e);
}

static int
tag_unassign(struct op_call *c, struct txn *t, struct err *e)
{
	return each_object(c, t, unassign_one, e);
}

/* clang-format off */
#define TAGGED (KIND_BIT(DATACENTER) | KIND_BIT(FOLDER) | KIND_BIT(CLUSTER) | KIND_BIT(HOST) | \
	KIND_BIT(POOL) | KIND_BIT(VM) | KIND_BIT(TEMPLATE) | KIND_BIT(DATASTORE) | KIND_BIT(NETWORK))
#define DESCRIPTION { .name = "description", .type = ARG_TEXT, .max = NOTES_MAX, .help = "what it is for" }
#define CARDINALITY { .name = "cardinality", .type = ARG_WORD, .words = "single|multiple", .help = "how many of its tags an object may have; single unless said, and only ever widened" }

static const struct op_arg category_create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique among categories" },
	CARDINALITY, DESCRIPTION, { 0 } };
static const struct op_arg category_update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	CARDINALITY, DESCRIPTION, { 0 } };
static const struct op_arg tag_create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in its category" },
	{ .name = "category", .type = ARG_ID, .required = true, .kinds = KIND_BIT(CATEGORY), .help = "category that it is in" },
	DESCRIPTION, { 0 } };
static const struct op_arg tag_update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	DESCRIPTION, { 0 } };
static const struct op_arg objects_args[] = {
	{ .name = "objects", .type = ARG_IDS, .required = true, .kinds = TAGGED, .help = "which; all of them or none" },
	{ 0 } };

const struct op_def op_tag_defs[] = {
	{ .info = { "category.create", "Make tag category", KIND_NONE, ROLE_ADMINISTRATOR, false, category_create_args },
	  .apply = category_create },
	{ .info = { "category.update", "Change tag category", KIND_CATEGORY, ROLE_ADMINISTRATOR, false, category_update_args },
	  .apply = category_update },
	{ .info = { "category.delete", "Remove tag category", KIND_CATEGORY, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = category_delete },
	{ .info = { "tag.create", "Make tag", KIND_NONE, ROLE_ADMINISTRATOR, false, tag_create_args },
	  .apply = tag_create },
	{ .info = { "tag.update", "Change tag", KIND_TAG, ROLE_ADMINISTRATOR, false, tag_update_args },
	  .apply = tag_update },
	{ .info = { "tag.delete", "Remove tag", KIND_TAG, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = tag_delete },
	{ .info = { "tag.assign", "Assign tag", KIND_TAG, ROLE_OPERATOR, false, objects_args },
	  .apply = tag_assign },
	{ .info = { "tag.unassign", "Take tag away", KIND_TAG, ROLE_OPERATOR, false, objects_args },
	  .apply = tag_unassign },
	{ .info = { .name = NULL } },
};
/* clang-format on */
