#include <inttypes.h>
#include <string.h>

#include "scheduler/sched_int.h"

const char *const sched_host_states[] = {
#define SCHED_HOST_STATE(code, name) [SCHED_HOST_##code] = (name),
#include "scheduler/words.def"
};
const char *const sched_guest_states[] = {
#define SCHED_GUEST_STATE(code, name) [SCHED_GUEST_##code] = (name),
#include "scheduler/words.def"
};
const char *const sched_engines[] = {
#define SCHED_ENGINE(code, name) [SCHED_ENGINE_##code] = (name),
#include "scheduler/words.def"
};

const char *const sched_rule_kinds[] = {
#define SCHED_RULE_KIND(code, name) [SCHED_RULE_##code] = (name),
#include "scheduler/words.def"
};
const char *const sched_restarts[] = {
#define SCHED_RESTART(code, name) [SCHED_RESTART_##code] = (name),
#include "scheduler/words.def"
};

/* Hosts that a refusal names; the rest of a large cluster is counted. */
#define MAX_NAMED_HOSTS 8

static const struct {
	const char *name;
	const char *text;
} reasons[] = {

#define SCHED_REASON(code, name, text) [SCHED_REASON_##code] = { name, text },
#include "scheduler/reason.def"
#undef SCHED_REASON
};

const char *
sched_reason_name(enum sched_reason_code code)
{
	return reasons[code].name;
}

static void
add_field(const struct fit_reason *r, const char *field, size_t n, struct str *out)
{
	if (!strncmp(field, "object", n))
		str_add(out, r->object_name);
	else if (!strncmp(field, "asked", n))
		str_addf(out, "%" PRIu64, r->asked);
	else if (!strncmp(field, "free", n))
		str_addf(out, "%" PRIu64, r->free);
	else
		str_addf(out, "%" PRIu64, r->total);
}

void
text_reason(const struct fit_reason *r, struct str *out)
{
	const char *s = reasons[r->code].text;

	for (;;) {
		const char *open = strchr(s, '{');
		const char *close = open ? strchr(open, '}') : NULL;

		if (!close)
			break;
		str_addn(out, s, (size_t)(open - s));
		add_field(r, open + 1, (size_t)(close - open - 1), out);
		s = close + 1;
	}
	str_add(out, s);
}

void
text_reasons(const struct fit *f, struct str *out)
{
	for (size_t i = 0; i < f->count; i++) {
		if (i)
			str_add(out, " and ");
		text_reason(&f->reasons[i], out);
	}
}

static void
add_percent(const char *what, uint64_t before, uint64_t after, struct str *out)
{
	str_addf(out, "%s %" PRIu64 ".%" PRIu64 " %% -> %" PRIu64 ".%" PRIu64 " %%, ",
	    what, before / 10, before % 10, after / 10, after % 10);
}

void
text_factors(const struct sched_view *v, const struct view_guest *g,
    const struct score *s, const uint32_t *datastore_ix, struct str *out)
{
	add_percent("cpu", s->cpu_before, s->cpu_after, out);
	add_percent("memory", s->memory_before, s->memory_after, out);
	str_addf(
	    out, "%" PRIu64 " guest%s there", s->guests, s->guests == 1 ? "" : "s");
	if (s->bending)
		str_addf(out, "; against rule %s", s->bending);
	else if (s->bent)
		str_add(out, "; its network or disks are busy");
	for (size_t i = 0; i < g->in.disk_count; i++)
		str_addf(out, "; disk %zu on %s", i,
		    view_datastore_at(v, datastore_ix[i])->in.name);
}

void
text_guest(const struct view_guest *g, struct str *out)
{
	str_addf(out, "%s (%" PRIu64 " vCPU, %" PRIu64 " MB)", g->in.name,
	    g->in.num_cpu, g->in.memory_mb);
}

/* Of a guest that may only go to one host or cluster the others are no news. */
static bool
is_out_of_question(
    const struct view_guest *g, const struct view_host *h, uint32_t host_ix)
{
	if (g->want_ix != NO_IX)
		return host_ix != g->want_ix;
	return g->cluster_ix != NO_IX && g->cluster_ix != h->cluster_ix;
}

static void
add_counts(const size_t *counts, struct str *out)
{
	size_t total = 0;
	const char *sep = ": ";

	for (size_t i = 0; i < SCHED_REASON_COUNT_; i++)
		total += counts[i];
	if (!total)
		return;
	str_addf(out, "; and %zu more", total);
	for (size_t i = 0; i < SCHED_REASON_COUNT_; i++) {
		if (!counts[i])
			continue;
		str_addf(out, "%s%zu %s", sep, counts[i], reasons[i].name);
		sep = ", ";
	}
}

void
text_refusal(const struct sched_view *v, const struct load *l,
    const struct view_guest *g, struct str *out)
{
	size_t counts[SCHED_REASON_COUNT_] = { 0 }, named = 0;
	struct fit f;

	str_add(out, "no host can take ");
	text_guest(g, out);
	for (uint32_t i = 0; i < v->hosts.count; i++) {
		const struct view_host *h = view_host_at(v, i);

		if (is_out_of_question(g, h, i))
			continue;
		fit_check(v, l, g, i, &f);
		if (named == MAX_NAMED_HOSTS) {
			counts[f.reasons[0].code]++;
			continue;
		}
		str_addf(out, "%s%s ", named ? "; " : ": ", h->in.name);
		text_reasons(&f, out);
		named++;
	}
	add_counts(counts, out);
	if (named)
		return;
	if (g->cluster_ix != NO_IX) {
		str_addf(out, ": cluster %s has no hosts",
		    view_cluster_at(v, g->cluster_ix)->in.name);
	} else {
		str_add(out, ": there are no hosts");
	}
}
