#include "scheduler/plan_balance.h"

#include "base/clock.h"
#include "base/mem.h"
#include "scheduler/drs_file.h"
#include "scheduler/plan_tool.h"

#define MIN_GAIN 1e-6

static void
print_moves(const struct drs_file *f, const struct bal_step *s, uint32_t n,
    uint64_t took_us, FILE *out)
{
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "M %.4f %s %s %s\n", (double)took_us / 1e6,
		    f->guest_names[s[i].guest], f->host_names[s[i].from],
		    f->host_names[s[i].to]);
}

static void
run(struct drs_file *f, const struct plan_balance *o, FILE *out)
{
	struct bal *b = &f->bal;
	const struct bal_limits l = { o->moves, o->target, MIN_GAIN };
	uint64_t begin = clock_mono_us(clock_system()), greedy_us;
	struct bal_step *steps;
	double before;
	uint32_t n;

	bal_init(b);
	before = b->score;
	bal_greedy(b, &l);
	steps = MOVE(b->steps);
	n = b->step_count;
	b->step_count = b->step_room = 0;
	greedy_us = clock_mono_us(clock_system()) - begin;
	fprintf(out, "# score %.8f, greedy %.8f with %u guests in %.6f s\n", before,
	    b->score, b->moved, (double)greedy_us / 1e6);
	if (o->tries) {
		bal_search(b, &l, o->tries, o->seed);
		bal_prune(b, &l);
	}
	if (!bal_order(b, &steps, &n))
		fprintf(out, "# no order of the search's moves: the greedy plan\n");
	print_moves(f, steps, n, clock_mono_us(clock_system()) - begin, out);
	fprintf(out, "# done score %.8f, %u guests, %u moves, %u rules broken\n",
	    b->score, b->moved, n, bal_rules_broken(b));
}

int
plan_balance_run(const struct plan_balance *o, const char *text, size_t n,
    const char *what, FILE *out, FILE *err)
{
	struct drs_file f;
	struct err e = ERR_INIT;
	int rc = drs_file_read(text, n, what, &f, &e);

	if (rc)
		fprintf(err, "drover-plan: %s\n", e.msg);
	else
		run(&f, o, out);
	arena_free(f.bal.arena);
	return rc ? PLAN_EXIT_BAD : PLAN_EXIT_OK;
}
