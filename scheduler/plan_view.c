/* The snapshot as options change it: a guest more, or other figures of those there. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "scheduler/plan_int.h"
#include "scheduler/sched_int.h"

#define MAX_PART   1000 /* of a host that one guest uses */
#define NEW_GUEST  "new"
#define WORD_BREAK " \t\r"

static int
view_again(json *j, const char *what, struct sched_view **ret_view, struct err *e)
{
	AUTO_FREE char *text = json_text(j);

	return sched_view_from_json(text, strlen(text), what, ret_view, e);
}

int
plan_view_with_guest(const struct plan_args *a, const struct sched_view *v,
    struct sched_view **ret_view, uint64_t *ret_id, struct err *e)
{
	AUTO(json) json *j = sched_view_to_json(v);
	json *g = json_new_object();
	uint64_t cluster = 0;
	uint32_t n = v->guests.count;
	int rc = a->cluster ? sched_view_find_cluster(v, a->cluster, &cluster, e) : 0;

	*ret_id = n ? view_guest_at(v, n - 1)->in.id + 1 : 1;
	json_set_u64(g, "id", *ret_id);
	json_set_str(g, "name", NEW_GUEST);
	if (cluster)
		json_set_u64(g, "cluster", cluster);
	json_set_u64(g, "num_cpu",
	    a->given & PLAN_CPUS ? (uint64_t)a->number[PLAN_BIT_CPUS_] : 1);
	json_set_u64(g, "memory_mb", (uint64_t)a->number[PLAN_BIT_MEMORY_]);
	json_add_json(json_get(j, "guests"), g);
	return rc ? rc : view_again(j, a->path, ret_view, e);
}

static uint64_t
largest_mhz(const struct sched_view *v)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < v->hosts.count; i++) {
		uint64_t mhz = view_host_at(v, i)->in.cpu_mhz;
		if (mhz > most)
			most = mhz;
	}
	return most;
}

/* Fields of guests, by their names. */
static struct map *
index_guests(json *guests)
{
	struct map *m = map_new_str();

	for (size_t i = 0; i < json_count(guests); i++) {
		json *g = json_at(guests, i);
		map_put_str(m, json_str_value(json_get(g, "name"), NULL), g);
	}
	return m;
}

static int
use_line(struct map *by_name, uint64_t mhz, char *line, struct err *e)
{
	char *rest = line, *name = strtok_r(line, WORD_BREAK, &rest);
	char *part = name ? strtok_r(NULL, WORD_BREAK, &rest) : NULL, *end = NULL;
	double x = part ? strtod(part, &end) : 0;
	json *g = name ? map_get_str(by_name, name) : NULL;

	if (!name)
		return 0;
	if (!g)
		return err_set(e, ERR_INVALID, "there is no guest \"%.60s\"", name);
	if (!part || end == part || *end || !(x >= 0 && x <= MAX_PART))
		return err_set(e, ERR_INVALID,
		    "guest \"%.60s\" uses no number of CPU: \"%.40s\"", name,
		    part ? part : "");
	json_set_u64(g, "cpu_demand_mhz", (uint64_t)(x * (double)mhz + 0.5));
	return 0;
}

int
plan_view_with_use(const struct sched_view *v, char *text, const char *what,
    struct sched_view **ret_view, struct err *e)
{
	AUTO(json) json *j = sched_view_to_json(v);
	AUTO(map) struct map *by_name = index_guests(json_get(j, "guests"));
	uint64_t mhz = largest_mhz(v);
	unsigned number = 0;

	for (char *line; (line = strsep(&text, "\n"));) {
		number++;
		if (use_line(by_name, mhz, line, e))
			return err_wrap(e, "%s: line %u", what, number);
	}
	return view_again(j, what, ret_view, e);
}
