/* sched_evacuate: hosts that are to be emptied. */
#include "scheduler/moves.h"

static int
find_hosts(const struct sched_view *v, const uint64_t *hosts, size_t count,
    bool *ret_leaving, struct err *e)
{
	char text[SCHED_ID_TEXT];

	for (size_t i = 0; i < count; i++) {
		uint32_t ix = view_find(&v->hosts, hosts[i]);

		if (ix == NO_IX)
			return err_set(e, ERR_NOT_FOUND, "there is no host %s",
			    view_id_text(hosts[i], text));
		ret_leaving[ix] = true;
	}
	return 0;
}

/* Only those go that have to. */
static void
empty_hosts(struct moves *m)
{
	struct bal *b = &m->x.b;

	for (uint32_t g = 0; g < b->guest_count; g++)
		b->guests[g].fixed |= !b->hosts[b->guests[g].at].closed;
	for (uint32_t h = 0; h < b->host_count; h++) {
		if (b->hosts[h].closed)
			bal_empty_host(b, h);
	}
	for (uint32_t g = 0; g < b->guest_count; g++) {
		if (b->hosts[b->guests[g].at].closed)
			moves_refuse(m, g);
	}
}

int
sched_evacuate(const struct sched_view *v, const uint64_t *hosts, size_t count,
    const struct sched_ask *ask, struct sched_plan **ret_plan, struct err *e)
{
	AUTO_FREE bool *leaving = xcalloc(v->hosts.count + 1, sizeof(*leaving));
	struct moves m;
	int rc = find_hosts(v, hosts, count, leaving, e);

	if (!rc)
		rc = moves_begin(&m, v, ask, leaving, e);
	if (rc)
		return rc;
	empty_hosts(&m);
	*ret_plan = moves_finish(&m);
	return 0;
}
