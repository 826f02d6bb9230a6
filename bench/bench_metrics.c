/*
 * bench_metrics: what an answer to Prometheus costs, "name value unit" a line.
 *
 *     bench_metrics [HOSTS GUESTS]      100 hosts, 20 guests on each
 *
 * Guests have samples of all their counters.  Writing is the core thread's, compressing
 * a worker's; together they are what a scrape waits for besides the network.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "server/api/gzip.h"
#include "server/db/db_fake.h"
#include "server/event/event_life.h"
#include "server/export/export.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stats.h"

#define STEP_MS  20000u
#define START_MS UINT64_C(1767323040000)
#define SCRAPES  20u
#define PER_TXN  500u

struct bench {
	struct clock *clock;
	struct loop *loop;
	struct db *db;
	struct inv *inv;
	struct events *events;
	struct stats *stats;
	struct exporter *exporter;
	char dir[64];
	unsigned hosts, guests; /* on each */
	obj_id *host_ids;
};

/* One scrape. */
struct cost {
	uint64_t write_us, longest_us, gzip_us;
	size_t lines, bytes, packed;
};

static void
print(const char *name, double v, const char *unit)
{
	printf("%-36s %12.3f %s\n", name, v, unit);
	fflush(stdout);
}

static void
settle(struct bench *b)
{
	while (loop_turn(b->loop, 0) > 0)
		;
}

static void
ignore_end(void *arg, int rc, const struct err *e)
{
	ASSERT(!rc);
}

static obj_id
add(struct txn *t, enum obj_kind kind, obj_id parent, const char *name)
{
	void *o = NULL;

	ASSERT(!txn_add(t, kind, parent, name, &o, NULL));
	return ((struct obj *)o)->id;
}

static void
add_guest(struct txn *t, obj_id dc, obj_id pool, obj_id host, unsigned number)
{
	AUTO_FREE char *name = xasprintf("vm-%u", number);
	struct vm *vm = txn_edit(t, add(t, KIND_VM, dc, name));

	vm->host = host;
	vm->pool = pool;
	vm->num_cpu = 2;
	vm->memory_mb = 4096;
	vm->power_state = POWER_ON;
}

static void
add_all(struct bench *b)
{
	struct txn *t = txn_new(b->inv);
	obj_id dc = add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc");
	obj_id cluster = add(t, KIND_CLUSTER, dc, "cluster");
	obj_id pool = add(t, KIND_POOL, cluster, "Resources");

	for (unsigned i = 0; i < b->hosts; i++) {
		AUTO_FREE char *name = xasprintf("host-%u", i);

		b->host_ids[i] = add(t, KIND_HOST, cluster, name);
	}
	for (unsigned i = 0; i < b->hosts * b->guests; i++) {
		add_guest(t, dc, pool, b->host_ids[i / b->guests], i);
		if (i % PER_TXN)
			continue;
		txn_commit(t, ignore_end, NULL);
		settle(b);
		t = txn_new(b->inv);
	}
	txn_commit(t, ignore_end, NULL);
	settle(b);
}

/* Of a guest, all that is counted of it. */
static void
send_sample(struct bench *b, obj_id host, obj_id guest, uint64_t seq)
{
	uint8_t numbers[METRIC_MAX];
	size_t n = metrics_of(METRIC_OF_MACHINE, numbers);
	uint32_t counters[METRIC_MAX];
	uint64_t values[METRIC_MAX];
	Drover__StatSet set = DROVER__STAT_SET__INIT, *sets[] = { &set };
	Drover__StatRound r = DROVER__STAT_ROUND__INIT, *rounds[] = { &r };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;

	for (size_t i = 0; i < n; i++) {
		counters[i] = numbers[i];
		values[i] = (guest.v * 7919 + i * UINT64_C(104729)) % 5000000;
	}
	set.id = obj_id_number(guest);
	set.n_counters = set.n_values = n;
	set.counters = counters;
	set.values = values;
	r.seq = seq;
	r.span_ms = STEP_MS;
	r.n_guests = 1;
	r.guests = sets;
	batch.n_rounds = 1;
	batch.rounds = rounds;
	stats_take(b->stats, host, "bench", &batch, &ack);
}

static void
open_bench(struct bench *b)
{
	struct err e = ERR_INIT;
	uint64_t seq = 0;

	snprintf(b->dir, sizeof(b->dir), "/tmp/bench-metrics-XXXXXX");
	ASSERT(mkdtemp(b->dir));
	b->clock = clock_virtual_new(1000, START_MS);
	b->loop = loop_new(b->clock);
	b->db = db_fake_new(b->loop, 5000);
	b->inv = inv_new(b->loop, b->db);
	inv_load(b->inv, ignore_end, NULL);
	settle(b);
	b->events = events_new(b->inv);
	b->host_ids = xcalloc(b->hosts, sizeof(*b->host_ids));
	add_all(b);
	const struct stats_opts so = {
		.inv = b->inv, .dir = b->dir, .interval_ms = STEP_MS, .write_s = 1000000
	};
	if (stats_new(&so, &b->stats, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	INV_EACH(b->inv, KIND_VM, o)
	send_sample(b, inv_vm(b->inv, o->id)->host, o->id, ++seq);
	const struct export_deps d = { .inv = b->inv, .stats = b->stats };
	b->exporter = exporter_new(&d);
}

static void
close_bench(struct bench *b)
{
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", b->dir);

	exporter_free(b->exporter);
	free(b->host_ids);
	/* What is in memory stays there: its files would take long to write. */
	/* NOLINTNEXTLINE(cert-env33-c): a folder that we have made */
	ASSERT(!system(line));
}

static size_t
count_samples(const struct str *s)
{
	size_t n = 0;

	for (const char *at = s->s; at < s->s + s->len; at = strchr(at, '\n') + 1)
		n += *at != '#';
	return n;
}

static struct cost
scrape(struct bench *b, unsigned collectors)
{
	const struct export_ask ask = { .format = EXPO_OPENMETRICS,
		.collectors = collectors };
	struct export_run *r = export_begin(b->exporter, &ask);
	struct gzip *z = gzip_new();
	struct cost c = { 0 };
	bool more;

	do {
		AUTO(str) struct str piece = STR_INIT;
		AUTO(str) struct str packed = STR_INIT;
		uint64_t at_us[3];

		at_us[0] = clock_mono_us(clock_system());
		more = export_more(r, &piece);
		at_us[1] = clock_mono_us(clock_system());
		gzip_add(z, str_cstr(&piece), piece.len, more ? GZIP_MORE : GZIP_LAST,
		    &packed);
		at_us[2] = clock_mono_us(clock_system());
		c.write_us += at_us[1] - at_us[0];
		c.gzip_us += at_us[2] - at_us[1];
		if (at_us[1] - at_us[0] > c.longest_us)
			c.longest_us = at_us[1] - at_us[0];
		c.lines += count_samples(&piece);
		c.bytes += piece.len;
		c.packed += packed.len;
	} while (more);
	gzip_free(z);
	export_end(r);
	return c;
}

/* The best of some: what it costs when nobody else is at work. */
static void
measure(struct bench *b, const char *what, unsigned collectors)
{
	struct cost best = { .write_us = UINT64_MAX };
	char name[64];

	for (unsigned i = 0; i < SCRAPES; i++) {
		struct cost c = scrape(b, collectors);

		if (c.write_us + c.gzip_us < best.write_us + best.gzip_us || !i)
			best = c;
	}
#define PRINT(end, v, unit)                                    \
	do {                                                   \
		snprintf(name, sizeof(name), "%s_" end, what); \
		print(name, (double)(v), unit);                \
	} while (0)
	PRINT("series", best.lines, "n");
	PRINT("text", (double)best.bytes / 1e6, "MB");
	PRINT("compressed", (double)best.packed / 1e6, "MB");
	PRINT("write", (double)best.write_us / 1e3, "ms");
	PRINT("longest_turn", (double)best.longest_us / 1e3, "ms");
	PRINT("compress", (double)best.gzip_us / 1e3, "ms");
	PRINT("per_series",
	    (double)(best.write_us + best.gzip_us) * 1e3 / (double)best.lines, "ns");
#undef PRINT
}

int
main(int argc, char **argv)
{
	struct bench b = { .hosts = 100, .guests = 20 };

	if (argc == 3) {
		b.hosts = (unsigned)strtoul(argv[1], NULL, 10);
		b.guests = (unsigned)strtoul(argv[2], NULL, 10);
	}
	if ((argc != 1 && argc != 3) || !b.hosts || !b.guests) {
		fprintf(stderr, "usage: bench_metrics [HOSTS GUESTS]\n");
		return 2;
	}
	open_bench(&b);
	measure(&b, "metrics_vms", EXPORT_BIT(EXPORT_VMS));
	measure(&b, "metrics_rest", EXPORT_SMALL);
	close_bench(&b);
	return 0;
}
