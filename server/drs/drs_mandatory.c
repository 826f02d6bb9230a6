/*
 * Moves that must be, whatever they cost.
 */
#include <math.h>

#include "base/str.h"
#include "server/drs/drs_int.h"

#define BLOCKER_MAX 200

static bool
is_among(const struct drs_rule *rule)
{
	return rule->type == RULE_TOGETHER || rule->type == RULE_APART;
}

static bool
is_soft(const struct drs_rule *rule)
{
	return rule->type == RULE_SHOULD_RUN_ON ||
	       rule->type == RULE_SHOULD_NOT_RUN_ON || rule->type == RULE_TOGETHER;
}

static bool
names(const struct drs_rule *rule, uint32_t guest)
{
	for (uint32_t i = 0; i < rule->guest_count; i++) {
		if (rule->guests[i] == guest)
			return true;
	}
	return false;
}

/* Another guest of an apart rule there, or of a together rule elsewhere. */
static uint32_t
find_other(
    const struct drs_run *r, const struct drs_rule *rule, uint32_t guest, uint32_t host)
{
	for (uint32_t i = 0; i < rule->guest_count; i++) {
		uint32_t other = rule->guests[i];
		if (other != guest &&
		    (r->at[other] == host) == (rule->type == RULE_APART))
			return other;
	}
	return DRS_NONE;
}

static bool
is_against(
    const struct drs_run *r, const struct drs_rule *rule, uint32_t guest, uint32_t host)
{
	if (is_among(rule))
		return find_other(r, rule, guest, host) != DRS_NONE;
	bool runs_on =
	    rule->type == RULE_MUST_RUN_ON || rule->type == RULE_SHOULD_RUN_ON;
	return rule->hosts[host] != runs_on;
}

void
drs_find_breaches(struct drs_run *r)
{
	for (uint32_t i = 0; i < r->v->rule_count; i++) {
		const struct drs_rule *rule = &r->v->rules[i];
		uint32_t k = 0;
		while (k < rule->guest_count &&
		       !is_against(r, rule, rule->guests[k], r->at[rule->guests[k]]))
			k++;
		if (k < rule->guest_count)
			r->plan->breaches[r->plan->breach_count++] =
			    (struct drs_breach){ i, rule->guests[k] };
	}
}

static const struct drs_rule *
find_rule(const struct drs_run *r, uint32_t guest, uint32_t host, bool is_strict)
{
	for (uint32_t i = 0; i < r->v->rule_count; i++) {
		const struct drs_rule *rule = &r->v->rules[i];
		if ((is_strict || !is_soft(rule)) && names(rule, guest) &&
		    is_against(r, rule, guest, host))
			return rule;
	}
	return NULL;
}

const char *
drs_against(const struct drs_run *r, uint32_t guest, uint32_t host, bool is_strict,
    const char **ret_text)
{
	const struct drs_guest *g = &r->v->guests[guest];
	const struct drs_host *h = &r->v->hosts[host];
	const struct drs_reach *reach = &r->v->reaches[g->reach];
	const struct drs_rule *rule;

	if (h->is_leaving || h->is_closed) {
		*ret_text = h->is_leaving   ? "goes into maintenance"
			    : h->why_closed ? h->why_closed
					    : "takes no guests";
		return "closed";
	}
	if (!reach->hosts[host]) {
		*ret_text = reach->why_not[host];
		return "reach";
	}
	if (is_strict && h->busy) {
		*ret_text = h->busy;
		return "busy";
	}
	if (is_strict && g->came_from == h) {
		*ret_text = "it came from there a short while ago";
		return "back";
	}
	rule = find_rule(r, guest, host, is_strict);
	if (rule) {
		*ret_text =
		    arena_printf(r->mem, "rule \"%s\" is against it", rule->name);
		return "rule";
	}
	if (r->given[host] + g->mem_mb > h->mem_mb) {
		*ret_text = arena_printf(r->mem, "has %.0f of %.0f MB free, not %.0f",
		    fmax(0, h->mem_mb - r->given[host]), h->mem_mb, g->mem_mb);
		return "memory";
	}
	return NULL;
}

/* The host that it makes least uneven; with those first that follow every rule. */
static uint32_t
find_place(const struct drs_run *r, uint32_t guest)
{
	const char *text;
	uint32_t best = DRS_NONE, n;
	double least = HUGE_VAL;
	const struct drs_sums now = drs_sum(r, &n);

	for (unsigned strict = 2; strict-- > 0 && best == DRS_NONE;) {
		for (uint32_t h = 0; h < r->v->host_count; h++) {
			if (h == r->at[guest] ||
			    drs_against(r, guest, h, strict, &text))
				continue;
			struct drs_sums s = drs_sum_after(r, &now, guest, h);
			double after = drs_imbalance(&s, n);
			if (after < least) {
				least = after;
				best = h;
			}
		}
	}
	return best;
}

static void
block(struct drs_run *r, uint32_t guest, enum drs_reason reason)
{
	const struct drs_guest *g = &r->v->guests[guest];
	struct drs_blocker *b = &r->plan->blockers[r->plan->blocker_count];
	struct str why = STR_INIT;
	const char *text = NULL;

	if (r->is_stuck[guest])
		return;
	for (uint32_t h = 0; !g->pinned && h < r->v->host_count; h++) {
		if (h == r->at[guest] || r->v->hosts[h].is_leaving ||
		    !drs_against(r, guest, h, false, &text) || why.len > BLOCKER_MAX)
			continue;
		str_addf(
		    &why, "%s%s: %s", why.len ? "; " : "", r->v->hosts[h].name, text);
	}
	*b = (struct drs_blocker){ .guest = guest, .reason = reason };
	b->text = arena_strdup(r->mem, g->pinned ? g->pinned
				       : why.len ? str_cstr(&why)
						 : "the cluster has no other host");
	str_fini(&why);
	r->is_stuck[guest] = true;
	r->plan->blocker_count++;
}

static struct drs_move *
move_or_block(
    struct drs_run *r, uint32_t guest, uint32_t priority, enum drs_reason reason)
{
	uint32_t to = r->v->guests[guest].pinned || r->has_moved[guest]
			  ? DRS_NONE
			  : find_place(r, guest);

	if (to != DRS_NONE)
		return drs_take(r, guest, to, priority, reason);
	if (!r->has_moved[guest])
		block(r, guest, reason);
	return NULL;
}

static void
empty_hosts(struct drs_run *r)
{
	for (uint32_t g = 0; g < r->v->guest_count; g++) {
		if (r->v->hosts[r->at[g]].is_leaving)
			move_or_block(r, g, 1, DRS_HOST_MAINTENANCE);
	}
}

/* The host that most of them are on; the first of those. */
static uint32_t
find_middle(const struct drs_run *r, const struct drs_rule *rule)
{
	uint32_t best = DRS_NONE, most = 0;

	for (uint32_t i = 0; i < rule->guest_count; i++) {
		uint32_t n = 0, host = r->at[rule->guests[i]];
		for (uint32_t k = 0; k < rule->guest_count; k++)
			n += r->at[rule->guests[k]] == host;
		if (n > most || (n == most && host < best)) {
			most = n;
			best = host;
		}
	}
	return best;
}

static void
bring_together(struct drs_run *r, const struct drs_rule *rule)
{
	uint32_t to = find_middle(r, rule);
	const char *text;

	for (uint32_t i = 0; i < rule->guest_count; i++) {
		uint32_t g = rule->guests[i];
		if (r->at[g] == to)
			continue;
		if (r->v->guests[g].pinned || r->has_moved[g] ||
		    drs_against(r, g, to, false, &text))
			block(r, g, DRS_RULE_TOGETHER);
		else
			drs_take(r, g, to, 1, DRS_RULE_TOGETHER)->rule = rule->name;
	}
}

static void
mend_rule(struct drs_run *r, const struct drs_rule *rule)
{
	enum drs_reason reason = rule->type == RULE_APART ? DRS_RULE_APART
				 : is_soft(rule)          ? DRS_RULE_HOST_SOFT
							  : DRS_RULE_HOST;

	if (rule->type == RULE_TOGETHER) {
		bring_together(r, rule);
		return;
	}
	/* Of those that must be apart the last ones go. */
	for (uint32_t i = rule->guest_count; i > 0; i--) {
		uint32_t g = rule->guests[i - 1];
		if (!is_against(r, rule, g, r->at[g]))
			continue;
		if (reason == DRS_RULE_HOST_SOFT && find_place(r, g) != DRS_NONE &&
		    is_against(r, rule, g, find_place(r, g)))
			continue;
		struct drs_move *m =
		    move_or_block(r, g, reason == DRS_RULE_HOST_SOFT ? 2 : 1, reason);
		if (m)
			m->rule = rule->name;
	}
}

static void
mend_rules(struct drs_run *r)
{
	for (unsigned soft = 0; soft < 2; soft++) {
		for (uint32_t i = 0; i < r->v->rule_count; i++) {
			const struct drs_rule *rule = &r->v->rules[i];
			bool later = rule->type == RULE_SHOULD_RUN_ON ||
				     rule->type == RULE_SHOULD_NOT_RUN_ON;
			if (later == soft && (!soft || r->v->threshold >= 2))
				mend_rule(r, rule);
		}
	}
}

/* More memory is given away than there is: the smallest that go are enough. */
static void
relieve(struct drs_run *r, uint32_t host)
{
	while (r->given[host] > r->v->hosts[host].mem_mb) {
		uint32_t least = DRS_NONE;
		for (uint32_t g = 0; g < r->v->guest_count; g++) {
			if (r->at[g] != host || r->has_moved[g] || r->is_stuck[g] ||
			    r->v->guests[g].pinned)
				continue;
			if (least == DRS_NONE ||
			    r->v->guests[g].mem_mb < r->v->guests[least].mem_mb)
				least = g;
		}
		if (least == DRS_NONE)
			return;
		move_or_block(r, least, 1, DRS_MEMORY_SHORT);
	}
}

void
drs_mandatory(struct drs_run *r)
{
	empty_hosts(r);
	mend_rules(r);
	for (uint32_t h = 0; h < r->v->host_count; h++)
		relieve(r, h);
}
