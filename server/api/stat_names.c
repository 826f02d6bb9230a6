#include "server/api/stat_names.h"

#include <string.h>

#include "base/str.h"
#include "server/inventory/inv.h"
#include "server/stats/stats.h"

struct stat_names *
stat_names_new(void)
{
	return xcalloc(1, sizeof(struct stat_names));
}

void
stat_names_free(struct stat_names *a)
{
	if (!a)
		return;
	free(a->ids);
	free(a);
}

/* ---- objects ---- */

void
stat_names_add_id(struct stat_names *a, obj_id id)
{
	/* Room doubles whenever the number is a power of two. */
	if (!(a->n_ids & (a->n_ids - 1)))
		a->ids =
		    xreallocarray(a->ids, a->n_ids ? 2 * a->n_ids : 1, sizeof(*a->ids));
	a->ids[a->n_ids++] = id;
}

int
stat_names_id(const struct inv *inv, const char *word, obj_id *ret_id, struct err *e)
{
	int rc = obj_id_parse(word, KIND_NONE, ret_id, e);

	if (!rc && !inv_get(inv, *ret_id))
		rc = err_set(e, ERR_NOT_FOUND, "there is no %s", word);
	return rc;
}

int
stat_names_add(
    const struct inv *inv, const char *word, struct stat_names *a, struct err *e)
{
	obj_id id;
	int rc = stat_names_id(inv, word, &id, e);

	if (rc)
		return rc;
	if (!stats_objects_of(inv, id))
		return err_set(e, ERR_INVALID, "nothing is counted of %s",
		    kind_plural(obj_id_kind(id)));
	if (a->n_ids == STAT_OBJECTS_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "objects: at most %u may be named at once", STAT_OBJECTS_MAX);
	stat_names_add_id(a, id);
	return 0;
}

/* ---- counters ---- */

static void
add_number(struct stat_names *a, uint32_t number)
{
	if (!memchr(a->counters, (int)number, a->n_counters))
		a->counters[a->n_counters++] = (uint8_t)number;
}

int
stat_names_add_counter(struct stat_names *a, const char *word, struct err *e)
{
	const struct metric *m = NULL;
	AUTO(str) struct str near = STR_INIT;
	bool found = false;

	while ((m = metric_next(m)) != NULL) {
		if (!wild_match(word, m->name))
			continue;
		add_number(a, m->number);
		found = true;
	}
	if (found)
		return 0;
	metric_near(word, &near);
	return err_set(e, ERR_INVALID, "there is no counter \"%.80s\"%s%s", word,
	    near.len ? "; there are " : "", str_cstr(&near));
}

void
stat_names_add_preset(struct stat_names *a)
{
	const struct metric *m = NULL;

	while ((m = metric_next(m)) != NULL) {
		if (m->level == 1)
			add_number(a, m->number);
	}
}
