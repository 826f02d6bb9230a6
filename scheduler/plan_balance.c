#include "scheduler/plan_balance.h"

#include "base/clock.h"
#include "scheduler/balance_spare.h"
#include "scheduler/drs_file.h"
#include "scheduler/plan_tool.h"

#define MIN_GAIN 1e-6
#define AT_ONCE  8u /* moves from and to one host */

static void
print_moves(const struct drs_file *f, const struct bal_step *s, uint32_t n,
    uint64_t took_us, FILE *out)
{
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "M %.4f %s %s %s\n", (double)took_us / 1e6,
		    f->guest_names[s[i].guest], f->host_names[s[i].from],
		    f->host_names[s[i].to]);
}

/* The score when so many moves are made. */
static void
print_curve(struct bal *b, const struct bal_step *s, uint32_t n, FILE *out)
{
	fputs("# curve", out);
	b->spare = NULL;
	for (uint32_t g = 0; g < b->guest_count; g++) {
		if (b->guests[g].at != b->guests[g].home)
			bal_apply(b, g, b->guests[g].home);
	}
	bal_resum(b);
	for (uint32_t i = 0; i < n; i++) {
		bal_apply(b, s[i].guest, s[i].to);
		fprintf(out, " %.5f", b->score);
	}
	fputc('\n', out);
}

static void
print_totals(const struct bal *b, const struct bal_step *s, uint32_t n, FILE *out)
{
	uint32_t *wave = arena_array(b->arena, (size_t)n + 1, sizeof(*wave));
	double sent_mb = 0, seconds = 0;

	for (uint32_t i = 0; i < n; i++) {
		sent_mb += bal_sent_mb(&b->guests[s[i].guest]);
		seconds += b->guests[s[i].guest].seconds;
	}
	fprintf(out, "# %.0f GiB to be sent, %.0f s of copying in %u waves\n",
	    sent_mb / 1024, seconds, bal_waves(b, s, n, AT_ONCE, wave));
	if (b->spare)
		fprintf(out, "# %u guests without a place if their host is lost\n",
		    bal_spare_missing(b));
}

static void
run(struct drs_file *f, const struct plan_balance *o, FILE *out)
{
	struct bal *b = &f->bal;
	const struct bal_limits l = { o->moves, o->target, MIN_GAIN };
	uint64_t begin = clock_mono_us(clock_system()), us;
	struct bal_step *steps;
	double before;
	uint32_t n, repaired;

	bal_init(b);
	b->price = o->price;
	before = b->score;
	if (o->keeps_spare)
		bal_spare_init(b);
	repaired = bal_repair(b);
	bal_greedy(b, &l);
	steps = b->steps;
	n = b->step_count;
	us = clock_mono_us(clock_system()) - begin;
	fprintf(out, "# score %.8f, greedy %.8f with %u guests in %.6f s\n", before,
	    b->score, b->moved, (double)us / 1e6);
	fprintf(out, "# %u moves had to be\n", repaired);
	if (o->tries) {
		b->steps = NULL;
		b->step_count = b->step_room = 0;
		bal_search(b, &l, o->tries, o->seed);
		bal_prune(b, &l);
	}
	if (!bal_order(b, &steps, &n))
		fprintf(out, "# these moves have no order in which each has room\n");
	us = clock_mono_us(clock_system()) - begin;
	print_moves(f, steps, n, us, out);
	print_totals(b, steps, n, out);
	fprintf(out, "# done score %.8f, %u guests, %u moves, %u rules broken\n",
	    b->score, b->moved, n, bal_rules_broken(b));
	print_curve(b, steps, n, out);
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
