/* A Ganeti cluster's text, from anybody. */
#include <stddef.h>
#include <stdint.h>

#include "scheduler/drs_file.h"
#include "scheduler/sched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sched_ask ask = sched_ask_default();
	struct sched_view *v = NULL;
	struct sched_plan *p = NULL;

	ask.max_moves = 4;
	ask.cluster = 1;
	if (!drs_ganeti_read((const char *)data, size, "fuzz", &v, NULL) &&
	    !sched_balance(v, &ask, &p, NULL))
		sched_plan_free(p);
	sched_view_free(v);
	return 0;
}
