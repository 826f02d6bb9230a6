#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "scheduler/sched_int.h"

#define STARTS_AS_ROW(type)                                                        \
	_Static_assert(                                                            \
	    offsetof(struct type, in.id) == offsetof(struct view_row, id) &&       \
		offsetof(struct type, in.name) == offsetof(struct view_row, name), \
	    #type " must start with id and name")
STARTS_AS_ROW(view_cluster);
STARTS_AS_ROW(view_datastore);
STARTS_AS_ROW(view_network);
STARTS_AS_ROW(view_host);
STARTS_AS_ROW(view_guest);
STARTS_AS_ROW(view_rule);

struct sched_view *
sched_view_new(void)
{
	struct sched_view *v = xcalloc(1, sizeof(*v));

	v->arena = arena_new();
	v->clusters = (struct view_table){ .row_size = sizeof(struct view_cluster),
		.max = SCHED_MAX_OBJECTS,
		.what = "cluster" };
	v->datastores = (struct view_table){ .row_size = sizeof(struct view_datastore),
		.max = SCHED_MAX_OBJECTS,
		.what = "datastore" };
	v->networks = (struct view_table){ .row_size = sizeof(struct view_network),
		.max = SCHED_MAX_OBJECTS,
		.what = "network" };
	v->hosts = (struct view_table){ .row_size = sizeof(struct view_host),
		.max = SCHED_MAX_HOSTS,
		.what = "host" };
	v->guests = (struct view_table){ .row_size = sizeof(struct view_guest),
		.max = SCHED_MAX_GUESTS,
		.what = "guest" };
	v->rules = (struct view_table){ .row_size = sizeof(struct view_rule),
		.max = SCHED_MAX_OBJECTS,
		.what = "rule" };
	return v;
}

void
sched_view_free(struct sched_view *v)
{
	if (!v)
		return;
	arena_free(v->arena);
	free(v);
}

void *
view_row_at(const struct view_table *t, size_t i)
{
	ASSERT(i < t->count);
	return (char *)t->rows + i * t->row_size;
}

const struct view_cluster *
view_cluster_at(const struct sched_view *v, uint32_t ix)
{
	return view_row_at(&v->clusters, ix);
}

const struct view_datastore *
view_datastore_at(const struct sched_view *v, uint32_t ix)
{
	return view_row_at(&v->datastores, ix);
}

const struct view_network *
view_network_at(const struct sched_view *v, uint32_t ix)
{
	return view_row_at(&v->networks, ix);
}

const struct view_host *
view_host_at(const struct sched_view *v, uint32_t ix)
{
	return view_row_at(&v->hosts, ix);
}

const struct view_guest *
view_guest_at(const struct sched_view *v, uint32_t ix)
{
	return view_row_at(&v->guests, ix);
}

const struct view_rule *
view_rule_at(const struct sched_view *v, uint32_t ix)
{
	return view_row_at(&v->rules, ix);
}

/* Is it the value of an obj_id, and not just a number? */
static bool
is_object_id(uint64_t id)
{
	obj_id o = { id };

	return obj_id_kind(o) > KIND_NONE && obj_id_kind(o) < KIND_COUNT_ &&
	       obj_id_number(o) > 0;
}

const char *
view_id_text(uint64_t id, char buf[SCHED_ID_TEXT])
{
	if (is_object_id(id))
		return obj_id_text((obj_id){ id }, buf);
	snprintf(buf, SCHED_ID_TEXT, "%" PRIu64, id);
	return buf;
}

int
view_id_parse(const char *text, enum obj_kind kind, uint64_t *ret_id, struct err *e)
{
	obj_id object;
	int rc;

	if (text[0] >= '0' && text[0] <= '9')
		return parse_u64(text, 1, INT64_MAX, "id", ret_id, e);
	rc = obj_id_parse(text, kind, &object, e);
	if (rc)
		return rc;
	*ret_id = object.v;
	return 0;
}

static void
grow(struct view_table *t, struct arena *a)
{
	size_t cap = t->cap ? 2 * t->cap : 16;
	void *rows = arena_array(a, cap, t->row_size);

	if (t->count)
		memcpy(rows, t->rows, t->count * t->row_size);
	t->rows = rows;
	t->cap = cap;
}

int
view_check_row(const struct sched_view *v, const struct view_table *t, uint64_t id,
    const char *name, struct err *e)
{
	char what[32], text[SCHED_ID_TEXT];

	if (v->is_finished)
		return err_set(e, ERR_BAD_STATE, "%s: the view is finished", t->what);
	if (id == 0 || id > INT64_MAX) {
		return err_set(e, ERR_INVALID,
		    "%s: id is %" PRIu64 ", must be 1 to %" PRId64, t->what, id,
		    INT64_MAX);
	}
	if (!name)
		return err_set(e, ERR_INVALID, "%s %s has no name", t->what,
		    view_id_text(id, text));
	if (t->count == t->max)
		return err_set(e, ERR_TOO_LARGE, "more than %zu %ss", t->max, t->what);
	snprintf(what, sizeof(what), "%s name", t->what);
	return name_check(name, strlen(name), what, e);
}

void *
view_add_row(struct sched_view *v, struct view_table *t, uint64_t id, const char *name)
{
	struct view_row *row;

	if (t->count == t->cap)
		grow(t, v->arena);
	t->count++;
	row = view_row_at(t, t->count - 1);
	row->id = id;
	row->name = arena_strdup(v->arena, name);
	return row;
}

uint32_t
view_find(const struct view_table *t, uint64_t id)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct view_row *row = view_row_at(t, mid);

		if (row->id == id)
			return (uint32_t)mid;
		if (row->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NO_IX;
}

void
sched_view_counts(const struct sched_view *v, struct sched_counts *ret_counts)
{
	*ret_counts = (struct sched_counts){
		.clusters = v->clusters.count,
		.datastores = v->datastores.count,
		.networks = v->networks.count,
		.hosts = v->hosts.count,
		.guests = v->guests.count,
		.rules = v->rules.count,
		.unplaced = v->unplaced_count,
	};
}

uint64_t
sched_view_only_cluster(const struct sched_view *v)
{
	return v->clusters.count == 1 ? view_cluster_at(v, 0)->in.id : 0;
}

const uint64_t *
sched_view_unplaced(const struct sched_view *v, size_t *ret_count)
{
	*ret_count = v->unplaced_count;
	return v->unplaced;
}

static int
find_by_name(
    const struct view_table *t, const char *name, uint64_t *ret_id, struct err *e)
{
	uint64_t found = 0;

	for (size_t i = 0; i < t->count; i++) {
		const struct view_row *row = view_row_at(t, i);

		if (!str_same(row->name, name))
			continue;
		if (found)
			return err_set(e, ERR_INVALID,
			    "more than one %s is named %s: say its id", t->what, name);
		found = row->id;
	}
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "there is no %s %s", t->what, name);
	*ret_id = found;
	return 0;
}

static int
find_row(const struct view_table *t, enum obj_kind kind, const char *text,
    uint64_t *ret_id, struct err *e)
{
	uint64_t id;

	if (view_id_parse(text, kind, &id, NULL) == 0 && view_find(t, id) != NO_IX) {
		*ret_id = id;
		return 0;
	}
	return find_by_name(t, text, ret_id, e);
}

int
sched_view_find_guest(
    const struct sched_view *v, const char *text, uint64_t *ret_id, struct err *e)
{
	return find_row(&v->guests, KIND_VM, text, ret_id, e);
}

int
sched_view_find_host(
    const struct sched_view *v, const char *text, uint64_t *ret_id, struct err *e)
{
	return find_row(&v->hosts, KIND_HOST, text, ret_id, e);
}

int
sched_view_find_cluster(
    const struct sched_view *v, const char *text, uint64_t *ret_id, struct err *e)
{
	return find_row(&v->clusters, KIND_CLUSTER, text, ret_id, e);
}
