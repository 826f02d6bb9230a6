/*
 * cmd_inventory: Get-VM and its relatives.
 */
#include <string.h>

#include "shell/inventory.h"
#include "shell/rest.h"

/* What one Get- asks for; -Name, -Id and -Location have been read. */
struct wish {
	enum obj_kind kind;
	bool only_containers;
	struct val names, ids, places, tags;
	bool *hit; /* of each name: has it been found */
};

static const char *
field(const json *o, const char *key)
{
	const json *v = json_get(o, key);

	return v && json_what(v) == JSON_IS_STR ? json_str_value(v, NULL) : NULL;
}

static bool
has_id(const json *o, const char *key, const char *id)
{
	const json *list = json_get(o, key);

	for (size_t i = 0;
	     list && json_what(list) == JSON_IS_ARRAY && i < json_count(list); i++)
		if (json_what(json_at(list, i)) == JSON_IS_STR &&
		    !strcmp(json_str_value(json_at(list, i), NULL), id))
			return true;
	return false;
}

/* Is the object in, on or below the place? */
static bool
is_at(struct shell *sh, const json *o, struct val place)
{
	static const char *const up[] = { "parent", "host", "pool" };
	const char *id = record_id(place), *own = field(o, "id");

	for (size_t i = 0; i < ARRAY_SIZE(up); i++) {
		const char *above = field(o, up[i]);
		if (above && lies_in(sh, above, id))
			return true;
	}
	if (has_id(o, "hosts", id) || has_id(o, "datastores", id))
		return true;
	/* "Get-VM x | Get-VMHost": the host of that machine. */
	const struct val *host = table_get(place.table, "VMHostId");
	return own && host && host->type == VAL_TEXT && !strcmp(own, host->text->s);
}

static bool
fits_name(const struct wish *w, const char *name, const char *id)
{
	bool any = !val_count(w->names);

	for (size_t i = 0; i < val_count(w->names); i++) {
		if (wild_match(val_at(w->names, i).text->s, name) ||
		    (id && !strcmp(val_at(w->names, i).text->s, id))) {
			w->hit[i] = true;
			any = true;
		}
	}
	return any;
}

/* Get-Container leaves machines out as if there were none. */
static bool
is_wanted_kind(const struct wish *w, struct val record)
{
	const struct val *kind = table_get(record.table, "Kind");

	return !w->only_containers ||
	       (kind && kind->type == VAL_TEXT && !strcmp(kind->text->s, "Container"));
}

static const char *
word_of(const struct wish *w)
{
	return w->only_containers ? "container" : kind_word(w->kind);
}

static bool
fits(struct stage *st, const struct wish *w, const json *o, struct val record)
{
	const struct val *name = table_get(record.table, "Name");
	AUTO_FREE char *s = val_cstr(name ? *name : VAL_NONE);
	bool place = !val_count(w->places);

	for (size_t i = 0; i < val_count(w->places) && !place; i++)
		place = is_at(st->sh, o, val_at(w->places, i));
	return place && is_wanted_kind(w, record) && fits_name(w, s, field(o, "id"));
}

/* Filters that only some kinds have: -State, -Status, -Datastore. */
static enum run
fits_more(struct stage *st, const json *o, struct val record, struct val datastores,
    bool *ret_fits)
{
	const char *word = NULL;
	const struct val *state = table_get(record.table, "State");

	if (st->cmd->arg == KIND_HOST)
		word = get_text(st, "State");
	if (st->cmd->arg == KIND_TASK)
		word = get_text(st, "Status");
	*ret_fits = !word || (state && state->type == VAL_TEXT &&
				 !strcasecmp(state->text->s, word));
	if (!val_count(datastores))
		return RUN_OK;
	bool any = false;
	for (size_t i = 0; i < val_count(datastores); i++) {
		const char *id = record_id(val_at(datastores, i)),
			   *own = field(o, "datastore");
		any = any || has_id(o, "datastores", id) || (own && !strcmp(own, id));
	}
	*ret_fits = *ret_fits && any;
	return RUN_OK;
}

static enum run
put_items(
    struct stage *st, const struct wish *w, const json *items, struct val datastores)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < json_count(items) && rc == RUN_OK; i++) {
		const json *o = json_at(items, i);
		struct val r = record_from(st->sh, w->kind, o);
		bool ok = false;
		if (fits(st, w, o, r))
			rc = fits_more(st, o, r, datastores, &ok);
		if (rc == RUN_OK && ok)
			rc = put(st, r);
		else
			val_free(r);
	}
	return rc;
}

/* Names without wildcards that nothing fitted. */
static enum run
report_missing(struct stage *st, const struct wish *w)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(w->names) && rc == RUN_OK; i++) {
		struct err e = ERR_INIT;
		const char *name = val_at(w->names, i).text->s;
		if (strpbrk(name, "*?[") || !stage_lacks(st, name, w->hit[i]))
			continue;
		err_set(&e, ERR_NOT_FOUND, "there is no %s \"%s\"", word_of(w), name);
		rc = stage_error(st, &e, val_at(w->names, i));
	}
	return rc;
}

/* One plain name, or tags: the server need not send all others. */
static char *
query_of(const struct wish *w)
{
	const char *name =
	    val_count(w->names) == 1 ? val_at(w->names, 0).text->s : NULL;
	struct str b = STR_INIT;
	obj_id id;

	if (name && obj_id_parse(name, KIND_NONE, &id, NULL) != 0 &&
	    name_is_file_safe(name) && w->kind != KIND_TASK && !val_count(w->places))
		str_addf(&b, "?q=name:%s", name);
	for (size_t i = 0; i < val_count(w->tags); i++)
		str_addf(&b, "%s%s",
		    i       ? "%7C"
		    : b.len ? "%20tag:"
			    : "?q=tag:",
		    record_id(val_at(w->tags, i)));
	return b.len ? str_take(&b) : NULL;
}

static enum run
put_by_id(struct stage *st, const struct wish *w)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(w->ids) && rc == RUN_OK; i++) {
		const char *id = val_at(w->ids, i).text->s;
		struct err e = ERR_INIT;
		struct val r = VAL_NONE;
		int got = inventory_get(st->sh, w->kind, id, &r, &e);
		if (!got && !is_wanted_kind(w, r)) {
			val_free(r);
			got = err_set(&e, ERR_NOT_FOUND, "%s is no %s", id, word_of(w));
		}
		bool lacks = stage_lacks(st, id, !got);
		if (!got)
			rc = put(st, r);
		else if (lacks || got != ERR_NOT_FOUND)
			rc = stage_error(st, &e, val_at(w->ids, i));
	}
	return rc;
}

/* What a page of the list is filtered by, and how the last one ended. */
struct putting {
	struct stage *st;
	const struct wish *w;
	struct val datastores;
	enum run rc;
};

static bool
put_page(void *arg, const json *items)
{
	struct putting *p = arg;

	p->rc = put_items(p->st, p->w, items, p->datastores);
	return p->rc == RUN_OK;
}

static enum run
put_listed(struct stage *st, struct wish *w, struct val datastores)
{
	AUTO_FREE char *query = query_of(w);
	const struct wanted_list wanted = { w->kind, query };
	struct putting p = { st, w, datastores, RUN_OK };
	struct err e = ERR_INIT;

	w->hit = xcalloc(val_count(w->names) + 1, sizeof(bool));
	if (inventory_pages(st->sh, &wanted, put_page, &p, &e) < 0)
		p.rc = throw_err(st->sh, st->node, &e);
	if (p.rc == RUN_OK)
		p.rc = report_missing(st, w);
	free(w->hit);
	return p.rc;
}

#define TAGS_ASKED 64 /* of one Get- */

#define PLACES                                                         \
	(KIND_BIT(DATACENTER) | KIND_BIT(FOLDER) | KIND_BIT(CLUSTER) | \
	    KIND_BIT(HOST) | KIND_BIT(POOL) | KIND_BIT(VM) | KIND_BIT(DATASTORE))

/* Objects that have one of the tags -Tag names; *ret_any is false if it names none. */
static enum run
read_tags(struct stage *st, struct wish *w, bool *ret_any)
{
	struct val given = 1u << w->kind & TAGGED ? get_arg(st, "Tag") : VAL_NONE;
	enum run rc = resolve(st, given, KIND_BIT(TAG), &w->tags);

	if (rc == RUN_OK && val_count(w->tags) > TAGS_ASKED)
		rc = throw_new(st->sh, st->node, ERR_INVALID,
		    "-Tag: fits %zu tags, at most %d may be asked for",
		    val_count(w->tags), TAGS_ASKED);
	*ret_any = !val_count(given) || val_count(w->tags);
	return rc;
}

static enum run
inventory_process(struct stage *st, struct val v)
{
	int kind = st->cmd->arg & ~ONLY_CONTAINERS;
	struct wish w = { .kind = (enum obj_kind)kind,
		.only_containers = st->cmd->arg & ONLY_CONTAINERS,
		.names = get_arg(st, "Name"),
		.ids = get_arg(st, "Id") };
	bool has_store = w.kind == KIND_VM || w.kind == KIND_TEMPLATE;
	struct val places = get_arg(st, "Location"), stores = VAL_NONE, given;
	enum run rc = RUN_OK;

	/* Texts from the pipeline are names: 'web-01' | Get-VM. */
	AUTO(val) struct val piped = val_list();
	if (st->has_input && v.type == VAL_TEXT) {
		list_push(piped.list, val_ref(v));
		w.names = piped;
		places = VAL_NONE;
	}
	if (val_count(w.ids))
		return put_by_id(st, &w);
	given = has_store ? get_arg(st, "Datastore") : VAL_NONE;
	rc = resolve(
	    st, places, w.kind == KIND_TAG ? KIND_BIT(CATEGORY) : PLACES, &w.places);
	if (rc != RUN_OK)
		return rc;
	/* What was asked for does not exist: that is not "everything". */
	bool nowhere = val_count(places) && !val_count(w.places), any_tag = true;
	if (!nowhere)
		rc = read_tags(st, &w, &any_tag);
	nowhere = nowhere || !any_tag;
	if (rc == RUN_OK && !nowhere)
		rc = resolve(st, given, KIND_BIT(DATASTORE), &stores);
	if (rc == RUN_OK && !nowhere && !(val_count(given) && !val_count(stores)))
		rc = put_listed(st, &w, stores);
	val_free(stores);
	val_free(w.tags);
	val_free(w.places);
	return rc;
}

const struct cmd_ops ops_inventory = { 0, NULL, inventory_process, NULL, NULL };
