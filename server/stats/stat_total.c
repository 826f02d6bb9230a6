#include "server/stats/stat_total.h"

#include <math.h>

#include "base/mem.h"

#define MS_PER_S 1000.0

static const uint8_t added_up[] = {
	METRIC_CPU_USAGE,
	METRIC_CPU_READY,
	METRIC_CPU_MAXLIMITED,
	METRIC_CPU_USER,
	METRIC_CPU_SYSTEM,
	METRIC_CPU_IOWAIT,
	METRIC_CPU_STEAL,
	METRIC_DISK_READ,
	METRIC_DISK_WRITE,
	METRIC_DISK_READS,
	METRIC_DISK_WRITES,
	METRIC_DISK_READ_TIME,
	METRIC_DISK_WRITE_TIME,
	METRIC_DISK_READS_TIMED,
	METRIC_DISK_WRITES_TIMED,
	METRIC_NET_RECEIVED,
	METRIC_NET_TRANSMITTED,
	METRIC_NET_DROPPED_RX,
	METRIC_NET_DROPPED_TX,
};

/* Room for those alone: there are many objects. */
struct stat_totals {
	uint32_t known; /* a bit for each that has something */
	double v[ARRAY_SIZE(added_up)];
};

struct stat_totals *
stat_totals_new(void)
{
	return xcalloc(1, sizeof(struct stat_totals));
}

void
stat_totals_free(struct stat_totals *t)
{
	free(t);
}

static size_t
place_of(uint32_t counter)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(added_up) && added_up[i] != counter)
		i++;
	return i;
}

void
stat_totals_add(struct stat_totals *t, uint32_t counter, double v, uint32_t ms)
{
	size_t i = place_of(counter);

	if (i == ARRAY_SIZE(added_up))
		return;
	t->v[i] += v * ms / MS_PER_S;
	t->known |= 1u << i;
}

double
stat_totals_get(const struct stat_totals *t, uint32_t counter)
{
	size_t i = place_of(counter);

	return i < ARRAY_SIZE(added_up) && t->known & 1u << i ? t->v[i] : (double)NAN;
}
