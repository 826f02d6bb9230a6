#include "host-agent/collect/instances.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/map.h"
#include "base/str.h"
#include "proto/msg.h"

#define KEY_TEXT (METRIC_INSTANCE_TEXT + 24u) /* "42/nic-0" */

struct instances {
	struct map *was, *is; /* key → struct figures: of the last look, of this one */
	Drover__StatSet **sets; /* what came of it */
	size_t n_sets, room;
	uint64_t object; /* that was looked at last */
	size_t n_of_object;
};

static void
forget(struct map *m)
{
	MAP_EACH(m, it)
		free(it.value);
	map_free(m);
}

static void
drop_sets(struct instances *s)
{
	for (size_t i = 0; i < s->n_sets; i++)
		drover__stat_set__free_unpacked(s->sets[i], NULL);
	s->n_sets = 0;
}

struct instances *
instances_new(void)
{
	struct instances *s = xcalloc(1, sizeof(*s));

	s->was = map_new_str();
	s->is = map_new_str();
	return s;
}

void
instances_free(struct instances *s)
{
	if (!s)
		return;
	drop_sets(s);
	free(s->sets);
	forget(s->was);
	forget(s->is);
	free(s);
}

void
stat_set_fill(Drover__StatSet *set, const struct sample *v, size_t n)
{
	if (!n)
		return;
	set->counters = xcalloc(n, sizeof(*set->counters));
	set->values = xcalloc(n, sizeof(*set->values));
	set->n_counters = set->n_values = n;
	for (size_t i = 0; i < n; i++) {
		set->counters[i] = v[i].counter;
		set->values[i] = v[i].value;
	}
}

static bool
has_room(struct instances *s, uint64_t object)
{
	if (object != s->object)
		s->n_of_object = 0;
	s->object = object;
	return s->n_of_object++ < METRIC_INSTANCES_MAX &&
	       s->n_sets < MAX_INSTANCES_PER_HOST;
}

static void
add_set(struct instances *s, uint64_t object, const char *name, const struct sample *v,
    size_t n)
{
	Drover__StatSet *set = xcalloc(1, sizeof(*set));

	drover__stat_set__init(set);
	set->id = object;
	set->instance = xstrdup(name);
	stat_set_fill(set, v, n);
	if (s->n_sets == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->sets = xreallocarray(s->sets, s->room, sizeof(*s->sets));
	}
	s->sets[s->n_sets++] = set;
}

void
instances_look(
    struct instances *s, uint64_t object, const char *name, const struct figures *is)
{
	struct sample v[METRIC_MAX];
	char key[KEY_TEXT];
	size_t n;

	if (!metric_instance_valid(name) || !has_room(s, object))
		return;
	snprintf(key, sizeof(key), "%" PRIu64 "/%s", object, name);
	n = figures_samples(map_get_str(s->was, key), is, v);
	free(map_put_str(s->is, key, xmemdup(is, sizeof(*is))));
	if (n)
		add_set(s, object, name, v, n);
}

void
instances_begin(struct instances *s)
{
	drop_sets(s);
	forget(s->was);
	s->was = s->is;
	s->is = map_new_str();
	s->n_of_object = 0;
}

void
instances_fill(const struct instances *s, Drover__StatRound *r)
{
	r->instances = s->sets;
	r->n_instances = s->n_sets;
}
