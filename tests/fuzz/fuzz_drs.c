/* A scenario for the balancer, from anybody: a few steps of a plan must not hurt. */
#include <stddef.h>
#include <stdint.h>

#include "scheduler/balance_spare.h"
#include "scheduler/capacity.h"
#include "scheduler/drs_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
plan(struct bal *b)
{
	const struct bal_limits l = { 8, 0, 1e-6 };
	const struct capacity_ask ask = { 4096, 0, 1 };
	struct bal_step *steps;
	uint32_t n, *wave;

	bal_init(b);
	(void)capacity_find(b, &ask);
	bal_spare_init(b);
	bal_repair(b);
	bal_greedy(b, &l);
	bal_search(b, &l, 50, 1);
	if (!bal_order(b, &steps, &n))
		return;
	wave = arena_array(b->arena, (size_t)n + 1, sizeof(*wave));
	(void)bal_waves(b, steps, n, 2, wave);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drs_file f;
	struct err e = ERR_INIT;

	if (!drs_file_read((const char *)data, size, "fuzz", &f, &e))
		plan(&f.bal);
	arena_free(f.bal.arena);
	return 0;
}
