/* A scenario in plain text → what has to be, then the moves that even the load. */
#include "scheduler/balance_spare.h"
#include "scheduler/drs_file.h"
#include "tests/golden/run_golden.h"

static void
write_steps(struct drs_file *f, struct str *out)
{
	struct bal *b = &f->bal;
	struct bal_step *steps;
	uint32_t n, *wave;

	if (!bal_order(b, &steps, &n))
		str_add(out, "no order in which each has room\n");
	wave = arena_array(b->arena, (size_t)n + 1, sizeof(*wave));
	bal_waves(b, steps, n, 1, wave);
	for (uint32_t i = 0; i < n; i++)
		str_addf(out, "wave %u: %s from %s to %s\n", wave[i],
		    f->guest_names[steps[i].guest], f->host_names[steps[i].from],
		    f->host_names[steps[i].to]);
}

static void
plan(struct drs_file *f, struct str *out)
{
	const struct bal_limits l = { UINT32_MAX, 0.05, 1e-6 };
	struct bal *b = &f->bal;

	bal_init(b);
	str_addf(out, "score %.6f, %u rules broken\n", b->score, bal_rules_broken(b));
	str_addf(out, "%u moves have to be\n", bal_repair(b));
	bal_greedy(b, &l);
	write_steps(f, out);
	bal_spare_init(b);
	str_addf(out, "score %.6f, %u rules broken, %u could not be saved\n", b->score,
	    bal_rules_broken(b), bal_spare_missing(b));
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	struct drs_file f;
	struct err e = ERR_INIT;

	if (drs_file_read(text, n, "scenario", &f, &e))
		str_addf(out, "%s: %s\n", err_name(e.code), e.msg);
	else
		plan(&f, out);
	arena_free(f.bal.arena);
}
