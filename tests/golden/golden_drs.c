/*
 * A cluster in lines → the moves that are recommended for it, with their numbers.
 *
 *   threshold N
 *   host NAME CPU_MHZ MEMORY_MB CORE_MHZ [leaving|closed|quarantined|busy]
 *   guest NAME HOST CPU_MHZ MEMORY_MB [pinned|unmeasured|resting]
 *   rule NAME TYPE GUEST,GUEST… [HOST,HOST…]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "server/drs/drs_json.h"
#include "tests/golden/run_golden.h"

#define MOST     64u
#define WORDS    6u
#define WORD_MAX 64

struct world {
	struct arena *mem;
	struct drs_host hosts[MOST];
	struct drs_guest guests[MOST];
	struct drs_rule rules[MOST];
	struct drs_view v;
};

struct line {
	char word[WORDS][WORD_MAX];
	int n;
};

static uint32_t
find_host(const struct world *w, const char *name)
{
	for (uint32_t i = 0; i < w->v.host_count; i++) {
		if (str_same(w->hosts[i].name, name))
			return i;
	}
	abort();
}

static uint32_t
find_guest(const struct world *w, const char *name)
{
	for (uint32_t i = 0; i < w->v.guest_count; i++) {
		if (str_same(w->guests[i].name, name))
			return i;
	}
	abort();
}

static void
add_host(struct world *w, const struct line *l)
{
	uint32_t at = w->v.host_count++;

	w->hosts[at] = (struct drs_host){
		.id = obj_id_make(KIND_HOST, at + 1),
		.name = arena_strdup(w->mem, l->word[1]),
		.cpu_mhz = strtod(l->word[2], NULL),
		.mem_mb = strtod(l->word[3], NULL),
		.core_mhz = strtod(l->word[4], NULL),
		.is_leaving = str_same(l->word[5], "leaving"),
		.is_closed = str_same(l->word[5], "closed") ||
			     str_same(l->word[5], "quarantined"),
		.is_quarantined = str_same(l->word[5], "quarantined"),
		.busy = str_same(l->word[5], "busy") ? "its network is busy to 91.0 %"
						     : NULL,
	};
}

static void
add_guest(struct world *w, const struct line *l)
{
	uint32_t at = w->v.guest_count++;

	w->guests[at] = (struct drs_guest){
		.id = obj_id_make(KIND_VM, at + 1),
		.name = arena_strdup(w->mem, l->word[1]),
		.host = find_host(w, l->word[2]),
		.cpu_mhz = strtod(l->word[3], NULL),
		.mem_mb = strtod(l->word[4], NULL),
		.is_measured = !str_same(l->word[5], "unmeasured"),
		.pinned =
		    str_same(l->word[5], "pinned") ? "DRS is disabled for it" : NULL,
		.resting = str_same(l->word[5], "resting")
			       ? "it was moved a short while ago"
			       : NULL,
		.stable_s = 300,
	};
}

static void
add_rule(struct world *w, struct line *l)
{
	uint32_t *guests = arena_array(w->mem, MOST, sizeof(*guests)), n = 0;
	bool *hosts = arena_array(w->mem, MOST, sizeof(*hosts));
	char *rest = NULL;

	for (char *s = strtok_r(l->word[3], ",", &rest); s;
	     s = strtok_r(NULL, ",", &rest))
		guests[n++] = find_guest(w, s);
	for (char *s = strtok_r(l->word[4], ",", &rest); s;
	     s = strtok_r(NULL, ",", &rest))
		hosts[find_host(w, s)] = true;
	w->rules[w->v.rule_count++] = (struct drs_rule){
		.name = arena_strdup(w->mem, l->word[1]),
		.type = (enum rule_type)rule_type_parse(l->word[2]),
		.guests = guests,
		.guest_count = n,
		.hosts = l->n > 4 ? hosts : NULL,
	};
}

static void
read_line(struct world *w, const char *text)
{
	struct line l = { .n = 0 };

	l.n = sscanf(text, "%63s %63s %63s %63s %63s %63s", l.word[0], l.word[1],
	    l.word[2], l.word[3], l.word[4], l.word[5]);
	if (l.n < 2)
		return;
	if (str_same(l.word[0], "threshold"))
		w->v.threshold = (uint32_t)strtoul(l.word[1], NULL, 10);
	else if (str_same(l.word[0], "host"))
		add_host(w, &l);
	else if (str_same(l.word[0], "guest"))
		add_guest(w, &l);
	else
		add_rule(w, &l);
}

static void
decide(struct world *w, struct str *out)
{
	bool *all = arena_array(w->mem, MOST, sizeof(*all));
	const char **why = arena_array(w->mem, MOST, sizeof(*why));
	const struct drs_reach reach = { all, why };
	struct drs_plan plan;

	memset(all, 1, MOST * sizeof(*all));
	w->v.hosts = w->hosts;
	w->v.guests = w->guests;
	w->v.rules = w->rules;
	w->v.reaches = &reach;
	w->v.reach_count = 1;
	w->v.link_mb_s = 112;
	w->v.may_balance = true;
	drs_decide(&w->v, w->mem, &plan);
	for (uint32_t i = 0; i < plan.move_count; i++) {
		const struct drs_move *m = &plan.moves[i];
		AUTO_FREE char *name = drs_move_name(&w->v, m);
		AUTO_FREE char *text = drs_move_text(&w->v, m);
		str_addf(out, "%u %s %s: %s\n", m->priority, drs_reason_code(m->reason),
		    name, text);
		str_addf(out, "  copy %.2f s cost %.0f benefit %.0f net %.0f\n",
		    m->worth.copy_s, m->worth.cost, m->worth.benefit, m->worth.net);
		for (uint32_t k = 0; k < m->alt_count; k++)
			str_addf(out, "  not %s: %s, %s\n",
			    w->hosts[m->alts[k].host].name, m->alts[k].term,
			    m->alts[k].text);
	}
	for (uint32_t i = 0; i < plan.blocker_count; i++)
		str_addf(out, "stuck %s (%s): %s\n",
		    w->guests[plan.blockers[i].guest].name,
		    drs_reason_code(plan.blockers[i].reason), plan.blockers[i].text);
	str_addf(out, "%s: %.4f -> %.4f CPU, %.4f -> %.4f memory\n",
	    plan.is_uneven ? "uneven" : "even",
	    policy_deviation(plan.before.cpu, plan.before.cpu_squares, plan.hosts),
	    policy_deviation(plan.after.cpu, plan.after.cpu_squares, plan.hosts),
	    policy_deviation(plan.before.mem, plan.before.mem_squares, plan.hosts),
	    policy_deviation(plan.after.mem, plan.after.mem_squares, plan.hosts));
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	struct world *w = xcalloc(1, sizeof(*w));
	char *copy = xstrndup(text, n), *rest = NULL;

	w->mem = arena_new();
	w->v.threshold = 3;
	for (char *s = strtok_r(copy, "\n", &rest); s; s = strtok_r(NULL, "\n", &rest))
		read_line(w, s);
	decide(w, out);
	arena_free(w->mem);
	free(copy);
	free(w);
}
