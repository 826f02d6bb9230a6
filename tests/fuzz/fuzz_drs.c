/* A scenario for the balancer, from anybody: a few steps of a plan must not hurt. */
#include <stddef.h>
#include <stdint.h>

#include "scheduler/drs_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bal_limits l = { 8, 0, 1e-6 };
	struct drs_file f;
	struct err e = ERR_INIT;
	struct bal_step *steps;
	uint32_t n;

	if (!drs_file_read((const char *)data, size, "fuzz", &f, &e)) {
		bal_init(&f.bal);
		bal_greedy(&f.bal, &l);
		bal_search(&f.bal, &l, 50, 1);
		(void)bal_order(&f.bal, &steps, &n);
	}
	arena_free(f.bal.arena);
	return 0;
}
