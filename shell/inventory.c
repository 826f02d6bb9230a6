#include "shell/inventory.h"

#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "shell/rest.h"

#define FRESH_MS 5000
#define MAX_UP   64 /* how far up a tree is followed */

static enum obj_kind
kind_of(const char *id)
{
	obj_id o;

	return obj_id_parse(id, KIND_NONE, &o, NULL) == 0 ? obj_id_kind(o) : KIND_NONE;
}

static void
known_free(struct known *k)
{
	free(k->id);
	free(k->name);
	free(k->parent);
	free(k);
}

void
known_drop(struct site *s, enum obj_kind kind)
{
	MAP_EACH(s->known, it) {
		struct known *k = it.value;
		if (kind != KIND_NONE && kind_of(k->id) != kind)
			continue;
		AUTO_FREE char *id = xstrdup(k->id);
		map_del_str(s->known, id);
		known_free(k);
	}
}

void
known_expire(struct shell *sh)
{
	if (sh->site)
		sh->site->fetched = 0;
}

static void
learn(struct site *s, const json *o)
{
	const char *id = NULL, *name = NULL, *parent = NULL;

	if (json_read_str(o, "id", JSON_REQUIRED, 64, &id, NULL) < 0)
		return;
	/* What a name may be is the server's business. */
	const json *n = json_get(o, "name"), *p = json_get(o, "parent");
	name = n && json_what(n) == JSON_IS_STR ? json_str_value(n, NULL) : id;
	parent = p && json_what(p) == JSON_IS_STR ? json_str_value(p, NULL) : NULL;
	struct known *k = xcalloc(1, sizeof(*k));
	k->id = xstrdup(id);
	k->name = xstrdup(name);
	k->parent = xstrdup(parent);
	struct known *old = map_put_str(s->known, id, k);
	if (old)
		known_free(old);
}

struct listing {
	struct shell *sh;
	enum obj_kind kind;
	bool whole, begun;
	rest_page_fn take;
	void *arg;
	bool stopped;
};

/* What was known of all of a kind goes when the first page of all is there. */
static bool
take_page(void *arg, const json *items)
{
	struct listing *l = arg;

	if (l->whole && !l->begun)
		known_drop(l->sh->site, l->kind);
	l->begun = true;
	for (size_t i = 0; i < json_count(items); i++)
		learn(l->sh->site, json_at(items, i));
	l->stopped = !l->take(l->arg, items);
	return !l->stopped;
}

int
inventory_pages(struct shell *sh, const struct wanted_list *w, rest_page_fn take,
    void *arg, struct err *e)
{
	AUTO_FREE char *path =
	    xasprintf("/%s%s", kind_plural(w->kind), w->query ? w->query : "");
	struct listing l = {
		.sh = sh, .kind = w->kind, .whole = !w->query, .take = take, .arg = arg
	};
	int rc = rest_pages(sh, path, take_page, &l, e);

	if (rc == 0 && l.whole && !l.stopped) {
		sh->site->fetched |= 1u << w->kind;
		sh->site->fetched_ms = clock_mono_ms(clock_system());
	}
	return rc;
}

static bool
add_items(void *arg, const json *items)
{
	for (size_t i = 0; i < json_count(items); i++)
		json_add_json(arg, json_ref(json_at(items, i)));
	return true;
}

int
inventory_list(struct shell *sh, enum obj_kind kind, const char *query,
    json **ret_items, struct err *e)
{
	const struct wanted_list w = { kind, query };
	json *all = json_new_array();

	if (inventory_pages(sh, &w, add_items, all, e) < 0) {
		json_free(all);
		return e->code;
	}
	*ret_items = all;
	return 0;
}

int
inventory_get(struct shell *sh, enum obj_kind kind, const char *id,
    struct val *ret_record, struct err *e)
{
	struct str path = STR_INIT;
	AUTO(json) json *o = NULL;
	int rc;

	str_addf(&path, "/%s/", kind_plural(kind));
	url_add(&path, id);
	rc = rest_get(sh, path.s, &o, e);
	str_fini(&path);
	if (rc < 0)
		return rc;
	learn(sh->site, o);
	*ret_record = record_from(sh, kind, o);
	return 0;
}

/* All of a kind, unless they were asked for a moment ago. */
static int
fetch_kind(struct shell *sh, enum obj_kind kind, struct err *e)
{
	AUTO(json) json *items = NULL;
	struct site *s;

	if (site_need(sh, &s, e) < 0)
		return e->code;
	if (s->fetched && clock_mono_ms(clock_system()) - s->fetched_ms > FRESH_MS)
		s->fetched = 0;
	return s->fetched & 1u << kind ? 0 : inventory_list(sh, kind, NULL, &items, e);
}

const struct known *
known_get(struct shell *sh, const char *id)
{
	enum obj_kind kind = kind_of(id);
	struct err e = ERR_INIT;
	const struct known *k = sh->site ? map_get_str(sh->site->known, id) : NULL;

	/* Who may not see a kind sees ids. */
	if (k || kind == KIND_NONE || kind == KIND_TASK || kind == KIND_EVENT ||
	    fetch_kind(sh, kind, &e) < 0)
		return k;
	return map_get_str(sh->site->known, id);
}

bool
lies_in(struct shell *sh, const char *id, const char *above)
{
	char *at = xstrdup(id);
	bool hit = false;

	/* Asking for a parent may replace what is known, so at is a copy. */
	for (int i = 0; at && !hit && i < MAX_UP; i++) {
		hit = !strcmp(at, above);
		const struct known *k = hit ? NULL : known_get(sh, at);
		char *parent = k ? xstrdup(k->parent) : NULL;
		free(at);
		at = parent;
	}
	free(at);
	return hit;
}

static const char *
type_of(enum obj_kind kind)
{
	switch (kind) {
	case KIND_HOST:
		return "VMHost";
	case KIND_POOL:
		return "ResourcePool";
	case KIND_CLUSTER:
		return "Cluster";
	case KIND_DATACENTER:
		return "Datacenter";
	case KIND_FOLDER:
		return "Folder";
	case KIND_DATASTORE:
		return "Datastore";
	case KIND_NETWORK:
		return "VirtualPortGroup";
	case KIND_TEMPLATE:
		return "Template";
	case KIND_SNAPSHOT:
		return "Snapshot";
	case KIND_CUSTSPEC:
		return "OSCustomizationSpec";
	case KIND_RULE:
		return "DrsRule";
	case KIND_REC:
		return "DrsRecommendation";
	case KIND_GROUP:
		return "DrsClusterGroup";
	case KIND_CATEGORY:
		return "TagCategory";
	case KIND_TAG:
		return "Tag";
	case KIND_SERVER:
		return "DroverServer";
	case KIND_ALARMDEF:
		return "AlarmDefinition";
	case KIND_ALARM:
		return "Alarm";
	case KIND_USER:
		return "VIAccount";
	case KIND_TASK:
		return "Task";
	default:
		return "VirtualMachine";
	}
}

struct val
reference_to(struct shell *sh, const char *id)
{
	const struct known *k = known_get(sh, id);
	struct val r = val_table(TABLE_REF, type_of(kind_of(id)));

	table_set(r.table, "Name", val_text(k ? k->name : id));
	table_set(r.table, "Id", val_text(id));
	if (sh->site)
		table_set_from(r.table, sh->site->label);
	return r;
}

static int
compare_ids(const void *a, const void *b)
{
	const struct known *x = *(const struct known *const *)a,
			   *y = *(const struct known *const *)b;
	size_t n = strlen(x->id), m = strlen(y->id);

	return n != m ? (n < m ? -1 : 1) : strcmp(x->id, y->id);
}

/* A tag is also called "Category/Name". */
static bool
fits_name(const struct site *s, const struct known *k, const char *pattern)
{
	const struct known *up;

	if (wild_match(pattern, k->name))
		return true;
	if (kind_of(k->id) != KIND_TAG || !k->parent || !strchr(pattern, '/'))
		return false;
	up = map_get_str(s->known, k->parent);
	AUTO_FREE char *path = xasprintf("%s/%s", up ? up->name : "", k->name);
	return wild_match(pattern, path);
}

/* References to all known objects of the kinds whose name fits, in order of their ids.
 */
static size_t
add_named(struct shell *sh, const char *pattern, unsigned kinds, struct items *list)
{
	size_t n = 0, cap = map_count(sh->site->known);
	const struct known **hits = xcalloc(cap + 1, sizeof(struct known *));

	MAP_EACH(sh->site->known, it) {
		const struct known *k = it.value;
		if (kinds & 1u << kind_of(k->id) && fits_name(sh->site, k, pattern))
			hits[n++] = k;
	}
	qsort(hits, n, sizeof(struct known *), compare_ids);
	for (size_t i = 0; i < n; i++)
		list_push(list, reference_to(sh, hits[i]->id));
	free(hits);
	return n;
}

static int
fetch_kinds(struct shell *sh, unsigned kinds, struct err *e)
{
	bool one = !(kinds & (kinds - 1));

	if (kinds & KIND_BIT(TAG))
		kinds |= KIND_BIT(CATEGORY); /* for fits_name */
	for (unsigned k = 1; k < KIND_COUNT_; k++) {
		if (!(kinds & 1u << k) || fetch_kind(sh, (enum obj_kind)k, e) == 0)
			continue;
		/* An older server does not know every kind. */
		if (one || e->code != ERR_NOT_FOUND)
			return e->code;
		err_clear(e);
	}
	return 0;
}

static const char *
words_for(unsigned kinds)
{
	unsigned k = 1;

	if (kinds & (kinds - 1))
		return "object";
	while (k < KIND_COUNT_ - 1 && !(kinds & 1u << k))
		k++;
	return kind_word((enum obj_kind)k);
}

bool
name_is_known(struct shell *sh, struct val name, unsigned kinds)
{
	AUTO_FREE char *s = val_cstr(name);
	struct err e = ERR_INIT;

	if (kinds & 1u << kind_of(s) && known_get(sh, s))
		return true;
	/* Who cannot be asked shall say so himself. */
	if (fetch_kinds(sh, kinds, &e) < 0)
		return true;
	MAP_EACH(sh->site->known, it) {
		const struct known *k = it.value;
		if (kinds & 1u << kind_of(k->id) && fits_name(sh->site, k, s))
			return true;
	}
	return false;
}

/* What one name, id or record means, added to list. */
static int
find_one(
    struct stage *st, struct val v, unsigned kinds, struct items *list, struct err *e)
{
	const char *id = record_id(v);

	if (id && kinds & 1u << kind_of(id)) {
		list_push(list, val_ref(v));
		return 0;
	}
	if (v.type == VAL_TABLE)
		return err_set(e, ERR_INVALID, "a %s is no %s", val_type_name(v),
		    words_for(kinds));
	AUTO_FREE char *s = val_cstr(v);
	if (kinds & 1u << kind_of(s) && known_get(st->sh, s)) {
		list_push(list, reference_to(st->sh, s));
		return 0;
	}
	if (fetch_kinds(st->sh, kinds, e) < 0)
		return e->code;
	if (add_named(st->sh, s, kinds, list) || strpbrk(s, "*?["))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "there is no %s \"%s\"", words_for(kinds), s);
}

enum run
resolve(struct stage *st, struct val objects, unsigned kinds, struct val *ret_list)
{
	struct val list = val_list();
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(objects) && rc == RUN_OK; i++) {
		struct err e = ERR_INIT;
		if (find_one(st, val_at(objects, i), kinds, list.list, &e) == 0)
			continue;
		/* Without a server every further name would fail alike. */
		if (st->sh->login_failed)
			rc = throw_err(st->sh, st->node, &e);
		else
			rc = stage_error(st, &e, val_at(objects, i));
	}
	if (rc == RUN_OK)
		*ret_list = list;
	else
		val_free(list);
	return rc;
}

int
resolve_all(struct stage *st, struct val given, unsigned kinds, struct val *ret_list,
    struct err *e)
{
	struct val list = val_list();
	int rc = 0;

	for (size_t i = 0; i < val_count(given) && !rc; i++)
		rc = find_one(st, val_at(given, i), kinds, list.list, e);
	if (rc)
		val_free(list);
	else
		*ret_list = list;
	return rc;
}

int
resolve_only(struct stage *st, struct val given, unsigned kinds, struct val *ret_list,
    struct err *e)
{
	struct val list = VAL_NONE;
	AUTO_FREE char *s = val_cstr(given);
	size_t n;

	if (resolve_all(st, given, kinds, &list, e) < 0)
		return e->code;
	n = val_count(list);
	if (n != 1) {
		val_free(list);
		return err_set(e, n ? ERR_INVALID : ERR_NOT_FOUND,
		    n ? "\"%s\" fits %zu objects, one is wanted"
		      : "\"%s\" fits no object",
		    s, n);
	}
	*ret_list = list;
	return 0;
}

enum run
resolve_one(struct stage *st, const char *param, unsigned kinds, const char **ret_id,
    struct val *keep)
{
	struct val given = get_arg(st, param);
	struct err e = ERR_INIT;

	*ret_id = NULL;
	*keep = VAL_NONE;
	if (!val_count(given))
		return RUN_OK;
	if (resolve_only(st, given, kinds, keep, &e) < 0) {
		err_wrap(&e, "-%s", param);
		return throw_err(st->sh, st->node, &e);
	}
	*ret_id = record_id(val_at(*keep, 0));
	return RUN_OK;
}
