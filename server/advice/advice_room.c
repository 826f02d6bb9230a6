/*
 * Every host's room for one machine, best first.
 */
#include "base/arena.h"
#include "server/advice/advice_int.h"

static bool
is_about_room(enum sched_reason_code code)
{
	return code == SCHED_REASON_CORES || code == SCHED_REASON_VCPUS ||
	       code == SCHED_REASON_MEMORY || code == SCHED_REASON_DATASTORE_SPACE;
}

static void
take_candidate(
    struct arena *mem, const struct sched_candidate *c, struct advice_room *to)
{
	to->host = obj_id_make(KIND_HOST, c->host);
	to->fits = c->fits;
	to->shortages = arena_array(mem, c->reason_count + 1, sizeof(char *));
	for (size_t i = 0; i < c->reason_count; i++) {
		if (is_about_room(c->reasons[i].code))
			to->shortages[to->n_shortages++] =
			    arena_strdup(mem, c->reasons[i].text);
	}
}

int
advice_rooms(struct advice *a, const struct advice_guest *g, struct arena *mem,
    struct advice_room **ret, size_t *ret_n, struct err *e)
{
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	uint64_t id;
	int rc = advice_view(a, g, 1, &id, &v, e);

	if (!rc)
		rc = sched_place(v, id, SCHED_EXPLAIN, &plan, e);
	if (rc)
		return rc;
	const struct sched_move *m = &plan->moves[0];
	*ret = arena_array(mem, m->candidate_count + 1, sizeof(**ret));
	*ret_n = m->candidate_count;
	for (size_t i = 0; i < m->candidate_count; i++)
		take_candidate(mem, &m->candidates[i], &(*ret)[i]);
	return 0;
}
