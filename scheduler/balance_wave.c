/*
 * Moves that can be made at the same time.
 */
#include <string.h>

#include "scheduler/balance_int.h"

struct waves {
	const struct bal_step *steps;
	uint32_t count, at_once;
	uint32_t *wave;        /* of each step */
	double *mem, *coming;  /* of each host: when the wave began, and since */
	uint32_t *busy;        /* moves from and to it in this wave */
	bool *awaited, *waits; /* hosts that earlier moves wait for; guests that wait */
	uint32_t *at;
};

static bool
may_join(const struct bal *b, const struct waves *w, const struct bal_step *s)
{
	const struct bal_guest *g = &b->guests[s->guest];

	if (w->waits[s->guest] || w->awaited[s->to] || w->busy[s->from] >= w->at_once ||
	    w->busy[s->to] >= w->at_once ||
	    w->mem[s->to] + w->coming[s->to] + g->mem > b->hosts[s->to].mem_cap)
		return false;
	for (uint32_t i = b->rule_from[s->guest]; i < b->rule_from[s->guest + 1]; i++) {
		const struct bal_rule *r = &b->rules[b->rule_of[i]];

		for (uint32_t k = 0; r->kind == BAL_APART && k < r->guest_count; k++) {
			if (r->guests[k] != s->guest && w->at[r->guests[k]] == s->to)
				return false;
		}
	}
	return true;
}

/* Whoever has to wait is not overtaken by others with the same target. */
static void
fill_wave(const struct bal *b, struct waves *w, uint32_t now)
{
	for (uint32_t i = 0; i < w->count; i++) {
		const struct bal_step *s = &w->steps[i];

		if (w->wave[i] != BAL_NONE)
			continue;
		if (!may_join(b, w, s)) {
			w->waits[s->guest] = w->awaited[s->to] = true;
			continue;
		}
		w->waits[s->guest] = true;
		w->coming[s->to] += b->guests[s->guest].mem;
		w->busy[s->from]++;
		w->busy[s->to]++;
		w->wave[i] = now;
	}
}

static uint32_t
end_wave(const struct bal *b, struct waves *w, uint32_t now)
{
	uint32_t made = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		if (w->wave[i] != now)
			continue;
		w->mem[w->steps[i].from] -= b->guests[w->steps[i].guest].mem;
		w->mem[w->steps[i].to] += b->guests[w->steps[i].guest].mem;
		w->at[w->steps[i].guest] = w->steps[i].to;
		made++;
	}
	memset(w->coming, 0, b->host_count * sizeof(*w->coming));
	memset(w->busy, 0, b->host_count * sizeof(*w->busy));
	memset(w->awaited, 0, b->host_count * sizeof(*w->awaited));
	memset(w->waits, 0, b->guest_count * sizeof(*w->waits));
	return made;
}

uint32_t
bal_waves(const struct bal *b, const struct bal_step *steps, uint32_t count,
    uint32_t at_once, uint32_t *ret_wave)
{
	struct waves w = {
		.steps = steps,
		.count = count,
		.at_once = at_once,
		.wave = ret_wave,
		.mem = arena_array(b->arena, b->host_count + 1, sizeof(double)),
		.coming = arena_array(b->arena, b->host_count + 1, sizeof(double)),
		.busy = arena_array(b->arena, b->host_count + 1, sizeof(uint32_t)),
		.awaited = arena_array(b->arena, b->host_count + 1, sizeof(bool)),
		.waits = arena_array(b->arena, b->guest_count + 1, sizeof(bool)),
		.at = arena_array(b->arena, b->guest_count + 1, sizeof(uint32_t)),
	};
	uint32_t made = 0, wave = 0;

	for (uint32_t g = 0; g < b->guest_count; g++) {
		w.at[g] = b->guests[g].home;
		w.mem[w.at[g]] += b->guests[g].mem;
	}
	for (uint32_t i = 0; i < count; i++)
		ret_wave[i] = BAL_NONE;
	while (made < count) {
		uint32_t n;

		fill_wave(b, &w, wave);
		n = end_wave(b, &w, wave);
		wave++;
		if (!n)
			break; /* the steps given are no plan */
		made += n;
	}
	return wave;
}
