#include "scheduler/plan_capacity.h"

#include "base/clock.h"
#include "scheduler/balance_spare.h"
#include "scheduler/drs_file.h"
#include "scheduler/plan_tool.h"

static double
seconds_since(uint64_t begin_us)
{
	return (double)(clock_mono_us(clock_system()) - begin_us) / 1e6;
}

static void
print_place(const struct drs_file *f, const struct capacity_ask *ask, FILE *out)
{
	uint64_t begin = clock_mono_us(clock_system());
	uint32_t host = capacity_place(&f->bal, ask->mem, ask->cpu);

	fprintf(out, "next %s %.6f s\n", host == BAL_NONE ? "-" : f->host_names[host],
	    seconds_since(begin));
}

static void
run(struct drs_file *f, const struct capacity_ask *ask, FILE *out)
{
	struct bal *b = &f->bal;
	uint64_t begin;
	struct capacity c;

	bal_init(b);
	begin = clock_mono_us(clock_system());
	c = capacity_find(b, ask);
	fprintf(out, "fit %u of at most %u, %u hosts may be lost, %.6f s\n", c.count,
	    c.bound, ask->failures, seconds_since(begin));
	for (uint32_t h = 0; h < b->host_count; h++) {
		if (c.on[h])
			fprintf(out, "on %s %u\n", f->host_names[h], c.on[h]);
	}
	if (ask->failures) {
		begin = clock_mono_us(clock_system());
		bal_spare_init(b);
		fprintf(out,
		    "# %u guests have no place if their host is lost, %.6f s\n",
		    bal_spare_missing(b), seconds_since(begin));
	}
	print_place(f, ask, out);
}

int
plan_capacity_run(const struct capacity_ask *ask, const char *text, size_t n,
    const char *what, FILE *out, FILE *err)
{
	struct drs_file f;
	struct err e = ERR_INIT;
	int rc = drs_file_read(text, n, what, &f, &e);

	if (rc)
		fprintf(err, "drover-plan: %s\n", e.msg);
	else
		run(&f, ask, out);
	arena_free(f.bal.arena);
	return rc ? PLAN_EXIT_BAD : PLAN_EXIT_OK;
}
