/*
 * cmd_stat_group: how many objects fared together, by what they are in or are tagged.
 */
#include <string.h>

#include "shell/cmd_stat.h"
#include "shell/rest.h"

#define PLACES                                                                    \
	(KIND_BIT(CLUSTER) | KIND_BIT(HOST) | KIND_BIT(POOL) | KIND_BIT(FOLDER) | \
	    KIND_BIT(DATACENTER))

/* Words of ours, and the API's. */
struct word {
	const char *ours, *its;
};

static const struct word kinds[] = {
	{ "VM", "vm" },
	{ "VMHost", "host" },
	{ "Datastore", "datastore" },
	{ "ResourcePool", "pool" },
	{ "Cluster", "cluster" },
};

static const struct word groups[] = {
	{ "ResourcePool", "pool" },
	{ "Cluster", "cluster" },
	{ "Folder", "folder" },
	{ "VMHost", "host" },
	{ "Datacenter", "datacenter" },
	{ "Tag", "tag" },
};

static const struct word joins[] = {
	{ "Sum", "sum" },
	{ "Average", "average" },
	{ "Minimum", "min" },
	{ "Maximum", "max" },
};

/* The first of them where it is not given. */
static const char *
its_word(struct stage *st, const char *param, const struct word *words, size_t n)
{
	const char *given = get_text(st, param);

	for (size_t i = 0; given && i < n; i++) {
		if (strcasecmp(given, words[i].ours) == 0)
			return words[i].its;
	}
	return words[0].its;
}

const char *
stat_kind(struct stage *st)
{
	return its_word(st, "Kind", kinds, ARRAY_SIZE(kinds));
}

enum run
stat_add_tag(struct stage *st, struct str *q)
{
	struct val refs = VAL_NONE;
	enum run rc = RUN_OK;

	if (!has_arg(st, "Tag"))
		return RUN_OK;
	rc = resolve(st, get_arg(st, "Tag"), KIND_BIT(TAG), &refs);
	if (rc == RUN_OK && val_count(refs) == 1)
		str_addf(q, "&tag=%s", record_id(val_at(refs, 0)));
	else if (rc == RUN_OK)
		rc = throw_new(
		    st->sh, st->node, ERR_INVALID, "-Tag: one tag is asked about");
	val_free(refs);
	return rc;
}

enum run
stat_each_place(struct stage *st, enum run (*ask)(struct stage *st, const char *within))
{
	struct val location = get_arg(st, "Location"), refs = VAL_NONE;
	enum run rc;

	if (!val_count(location))
		return ask(st, NULL);
	rc = resolve(st, location, PLACES, &refs);
	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		rc = ask(st, record_id(val_at(refs, i)));
	val_free(refs);
	return rc;
}

/* ---- groups ---- */

static void
add_group(struct stage *st, struct str *q)
{
	const char *category = get_text(st, "Category");

	str_addf(q, "&group=%s",
	    category ? "tag:" : its_word(st, "By", groups, ARRAY_SIZE(groups)));
	if (category)
		url_add(q, category);
	if (has_arg(st, "Aggregate"))
		str_addf(q, "&aggregate=%s",
		    its_word(st, "Aggregate", joins, ARRAY_SIZE(joins)));
}

static enum run
put_groups(struct stage *st, const char *within)
{
	AUTO(str) struct str q = STR_INIT;
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc;

	str_addf(&q, "/api/v1/stats?kind=%s", stat_kind(st));
	add_group(st, &q);
	stat_add_counters(st, &q);
	stat_add_range(st, &q);
	if (within)
		str_addf(&q, "&within=%s", within);
	rc = stat_add_interval(st, &q);
	if (rc == RUN_OK)
		rc = stat_add_tag(st, &q);
	if (rc != RUN_OK)
		return rc;
	if (rest_get(st->sh, str_cstr(&q), &answer, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	return stat_put_answer(st, answer);
}

static enum run
group_process(struct stage *st, struct val v)
{
	return stat_each_place(st, put_groups);
}

const struct cmd_ops ops_get_stat_group = { 0, NULL, group_process, NULL, NULL };
