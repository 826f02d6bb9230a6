/*
 * cmd_tag: tags, the categories that they are in, and which objects have which.
 *
 * Assignments are no objects of the inventory: a record knows its tag and its entity.
 */
#include <string.h>

#include "base/json_peek.h"
#include "shell/body.h"
#include "shell/change.h"
#include "shell/rest.h"

/* ---- categories and tags ---- */

static enum run
category_begin(struct stage *st)
{
	return changes_of(st, KIND_CATEGORY);
}

static enum run
tag_begin(struct stage *st)
{
	return changes_of(st, KIND_TAG);
}

static enum run
new_category_process(struct stage *st, struct val v)
{
	json *body = body_named(st);

	body_word(st, body, "Cardinality", "cardinality");
	body_text(st, body, "Description", "description");
	return change_now(st, "/categories", body, get_text(st, "Name"));
}

const struct cmd_ops ops_new_tag_category = { sizeof(struct changes), category_begin,
	new_category_process, NULL, changes_fini };

static enum run
new_tag_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc = body_id(st, body, "Category", KIND_BIT(CATEGORY), "category");

	body_text(st, body, "Description", "description");
	if (rc == RUN_OK)
		return change_now(st, "/tags", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_tag = { sizeof(struct changes), tag_begin, new_tag_process,
	NULL, changes_fini };

static enum run
set_named(struct stage *st, const char *param, unsigned kind, const json *body)
{
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "%s wants something to change", st->cmd->name);
	return change_named(st, param, kind, "PATCH", NULL, body);
}

static enum run
set_category_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();

	body_text(st, body, "Name", "name");
	body_word(st, body, "Cardinality", "cardinality");
	body_text(st, body, "Description", "description");
	return set_named(st, "Category", KIND_BIT(CATEGORY), body);
}

const struct cmd_ops ops_set_tag_category = { sizeof(struct changes), category_begin,
	set_category_process, changes_finish, changes_fini };

static enum run
set_tag_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();

	body_text(st, body, "Name", "name");
	body_text(st, body, "Description", "description");
	return set_named(st, "Tag", KIND_BIT(TAG), body);
}

const struct cmd_ops ops_set_tag = { sizeof(struct changes), tag_begin, set_tag_process,
	changes_finish, changes_fini };

/* ---- assignments ---- */

static struct val
assignment_record(struct stage *st, const char *entity, const char *tag)
{
	struct val r = val_table(TABLE_RECORD, "TagAssignment");
	const struct known *k = known_get(st->sh, tag);
	AUTO_FREE char *category = k ? xstrdup(k->parent) : NULL;

	table_set(r.table, "Tag", reference_to(st->sh, tag));
	table_set(
	    r.table, "Category", category ? reference_to(st->sh, category) : VAL_NONE);
	table_set(r.table, "Entity", reference_to(st->sh, entity));
	return r;
}

/* Of categories as references; null: all. */
static bool
is_of_category(struct val record, struct val categories)
{
	const struct val *own = table_get(record.table, "Category");

	for (size_t i = 0; i < val_count(categories); i++) {
		if (str_same(record_id(*own), record_id(val_at(categories, i))))
			return true;
	}
	return !val_count(categories);
}

static enum run
put_assignments(struct stage *st, const json *o, struct val categories)
{
	const json *tags = json_get(o, "tags");
	enum run rc = RUN_OK;

	for (size_t i = 0; tags && rc == RUN_OK && i < json_count(tags); i++) {
		struct val r = assignment_record(
		    st, json_peek_str(o, "id"), json_str_value(json_at(tags, i), NULL));
		if (is_of_category(r, categories))
			rc = put(st, r);
		else
			val_free(r);
	}
	return rc;
}

/* Of everything that has a tag. */
static enum run
put_all(struct stage *st, struct val categories)
{
	enum run rc = RUN_OK;

	for (unsigned k = 1; rc == RUN_OK && k < KIND_COUNT_; k++) {
		AUTO(json) json *items = NULL;
		struct err e = ERR_INIT;

		if (!(TAGGED & 1u << k))
			continue;
		if (inventory_list(st->sh, (enum obj_kind)k, "?q=tag:*", &items, &e) <
		    0)
			return throw_err(st->sh, st->node, &e);
		for (size_t i = 0; rc == RUN_OK && i < json_count(items); i++)
			rc = put_assignments(st, json_at(items, i), categories);
	}
	return rc;
}

static enum run
put_of(struct stage *st, struct val entities, struct val categories)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; rc == RUN_OK && i < val_count(entities); i++) {
		AUTO_FREE char *path =
		    object_path(record_id(val_at(entities, i)), NULL);
		AUTO(json) json *o = NULL;
		struct err e = ERR_INIT;

		if (rest_get(st->sh, path, &o, &e) < 0)
			rc = stage_error(st, &e, val_at(entities, i));
		else
			rc = put_assignments(st, o, categories);
	}
	return rc;
}

static enum run
get_assignment_process(struct stage *st, struct val v)
{
	struct val entities = VAL_NONE, categories = VAL_NONE;
	struct val wanted = get_arg(st, "Category");
	enum run rc = resolve(st, wanted, KIND_BIT(CATEGORY), &categories);

	/* A category that does not exist is not "every category". */
	if (rc == RUN_OK && val_count(wanted) && !val_count(categories)) {
		val_free(categories);
		return RUN_OK;
	}
	if (rc == RUN_OK && !has_arg(st, "Entity"))
		rc = put_all(st, categories);
	else if (rc == RUN_OK)
		rc = resolve(st, get_arg(st, "Entity"), TAGGED, &entities);
	if (rc == RUN_OK)
		rc = put_of(st, entities, categories);
	val_free(entities);
	val_free(categories);
	return rc;
}

const struct cmd_ops ops_get_tag_assignment = { 0, NULL, get_assignment_process, NULL,
	NULL };

/* One of tag's: assign or unassign, with the name of the entity for messages. */
static enum run
send_assignment(struct stage *st, struct val tag, struct val entity, const char *action)
{
	AUTO_FREE char *name = val_cstr(entity);
	AUTO_FREE char *path = object_path(record_id(tag), action);
	enum should should = stage_should(st, name, NULL);

	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	json *body = json_new_object(), *objects = json_new_array();
	json_add_str(objects, record_id(entity));
	json_set_json(body, "objects", objects);
	return change_send(st, st->state, "POST", path, body, name);
}

static enum run
assign(struct stage *st, struct val tag, struct val entity)
{
	const struct changes *c = st->state;
	size_t before = c->n;
	enum run rc = send_assignment(st, tag, entity, "assign");

	if (rc != RUN_OK || c->n == before)
		return rc;
	return put(st, assignment_record(st, record_id(entity), record_id(tag)));
}

static enum run
new_assignment_process(struct stage *st, struct val v)
{
	struct val tag = VAL_NONE, entities = VAL_NONE;
	struct err e = ERR_INIT;
	enum run rc = resolve(st, get_arg(st, "Entity"), TAGGED, &entities);

	if (rc == RUN_OK &&
	    resolve_only(st, get_arg(st, "Tag"), KIND_BIT(TAG), &tag, &e) < 0) {
		err_wrap(&e, "-Tag");
		rc = throw_err(st->sh, st->node, &e);
	}
	for (size_t i = 0; rc == RUN_OK && i < val_count(entities); i++)
		rc = assign(st, val_at(tag, 0), val_at(entities, i));
	val_free(tag);
	val_free(entities);
	return rc;
}

const struct cmd_ops ops_new_tag_assignment = { sizeof(struct changes), NULL,
	new_assignment_process, NULL, changes_fini };

static enum run
remove_assignment_process(struct stage *st, struct val v)
{
	struct val list = get_arg(st, "TagAssignment");
	enum run rc = RUN_OK;

	for (size_t i = 0; rc == RUN_OK && i < val_count(list); i++) {
		struct val one = val_at(list, i);
		bool is_table = one.type == VAL_TABLE;
		const struct val *tag = is_table ? table_get(one.table, "Tag") : NULL;
		const struct val *entity =
		    is_table ? table_get(one.table, "Entity") : NULL;

		if (!tag || !entity || !record_id(*tag) || !record_id(*entity))
			return throw_new(st->sh, st->node, ERR_INVALID,
			    "-TagAssignment: wants what Get-TagAssignment gives");
		rc = send_assignment(st, *tag, *entity, "unassign");
	}
	return rc;
}

const struct cmd_ops ops_remove_tag_assignment = { sizeof(struct changes), NULL,
	remove_assignment_process, NULL, changes_fini };
