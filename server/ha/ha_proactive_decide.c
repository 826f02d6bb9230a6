#include "server/ha/ha_proactive_decide.h"

#include "base/arena.h"

struct weighing {
	const struct proactive_view *v;
	struct arena *mem;
	uint32_t out_of_use;
	const char *first_out; /* its name */
	uint32_t taking;       /* hosts that get guests */
};

static bool
takes_guests(const struct proactive_host *h)
{
	return h->is_up && !h->is_asleep && h->maintenance == MAINT_NONE &&
	       h->remedy != HA_REMEDY_QUARANTINE;
}

/* A host that sleeps can be woken. */
static bool
is_out_of_use(const struct proactive_host *h)
{
	return !h->is_asleep && (!h->is_up || h->maintenance != MAINT_NONE);
}

static void
count(struct weighing *w)
{
	for (size_t i = 0; i < w->v->n; i++) {
		const struct proactive_host *h = &w->v->hosts[i];
		w->taking += takes_guests(h);
		if (is_out_of_use(h) && !w->out_of_use++)
			w->first_out = h->name;
	}
}

static enum ha_remedy
wanted(const struct proactive_view *v, const struct proactive_host *h)
{
	return h->health == HOST_HEALTH_SEVERE ? v->severe : v->moderate;
}

/* Why it is not emptied now, or NULL. */
static const char *
why_not_empty(const struct weighing *w, const struct proactive_host *h)
{
	uint32_t most = w->v->level ? w->v->level : 1;

	if (h->refused)
		return h->refused;
	if (w->out_of_use < most)
		return NULL;
	return arena_printf(w->mem,
	    "%u host%s of the cluster may be out of use at once, and %s%s", most,
	    most == 1 ? "" : "s", w->first_out, most == 1 ? " is" : " and others are");
}

static void
empty_or_quarantine(
    struct weighing *w, const struct proactive_host *h, struct proactive_act *out)
{
	const char *severe = h->health == HOST_HEALTH_SEVERE
				 ? "its hardware may fail at any time"
				 : "its hardware reports errors";
	const char *why = arena_printf(w->mem, "%s: %s", severe, h->what);
	bool is_only = w->taking == (takes_guests(h) ? 1 : 0);

	if (wanted(w->v, h) == HA_REMEDY_MAINTENANCE) {
		const char *not_yet = why_not_empty(w, h);
		if (!not_yet) {
			*out = (struct proactive_act){ PROACTIVE_EMPTY, why };
			if (!w->out_of_use++)
				w->first_out = h->name;
			w->taking -= takes_guests(h);
			return;
		}
		why = arena_printf(
		    w->mem, "%s; it cannot be emptied yet: %s", why, not_yet);
	}
	/* Somebody has to take guests. */
	if (h->remedy == HA_REMEDY_QUARANTINE || is_only)
		return;
	*out = (struct proactive_act){ PROACTIVE_QUARANTINE, why };
	w->taking--;
}

static void
weigh(struct weighing *w, const struct proactive_host *h, struct proactive_act *out)
{
	switch (h->health) {
	case HOST_HEALTH_UNKNOWN:
	case host_health_COUNT_:
		return;
	case HOST_HEALTH_OK:
		if (h->remedy != HA_REMEDY_NONE)
			*out = (struct proactive_act){ PROACTIVE_RELEASE,
				"its hardware reports no errors any more" };
		return;
	case HOST_HEALTH_MODERATE:
	case HOST_HEALTH_SEVERE:
		break;
	}
	if (h->maintenance == MAINT_IN && h->remedy != HA_REMEDY_MAINTENANCE)
		out->what = PROACTIVE_NOTE;
	else if (h->maintenance == MAINT_NONE && h->is_up && !h->is_asleep &&
		 wanted(w->v, h) > h->remedy && !w->v->is_braked)
		empty_or_quarantine(w, h, out);
}

void
proactive_decide(
    const struct proactive_view *v, struct arena *mem, struct proactive_act *out)
{
	struct weighing w = { .v = v, .mem = mem };

	count(&w);
	for (size_t i = 0; i < v->n; i++) {
		const struct proactive_host *h = &v->hosts[i];

		out[i] = (struct proactive_act){ PROACTIVE_NOTHING, NULL };
		if (v->mode != HA_PROACTIVE_OFF)
			weigh(&w, h, &out[i]);
		else if (h->remedy != HA_REMEDY_NONE)
			out[i] = (struct proactive_act){ PROACTIVE_RELEASE,
				"its cluster does nothing about failing hardware any "
				"more" };
	}
}
