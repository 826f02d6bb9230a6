/*
 * bench_stats: what statistics cost a server, "name value unit" a line.
 *
 *     bench_stats [HOSTS GUESTS FILES]      2500 hosts, 18 guests on each, 200 files
 *
 * Intake: every host sends a round of 15 counters of each guest, an hour of them; from
 * the bytes of a frame to the rings.  Writing: rows of five minutes to FILES files,
 * beside librrd with the same rows and nothing else, and both through an rrdcached of
 * their own.  Questions: an hour, a day and a year of one guest; the first ten of all
 * guests, and all of them in groups.  All the guests' files would be more than most
 * disks have; what writing them would take in 20 s is worked out from that.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rrd.h>
#include <rrd_client.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "server/db/db_fake.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_group.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stat_top.h"

#define STEP_S   20u
#define ROUNDS   180u
#define COUNTERS 15u
#define ROWS     15u /* of five minutes */
#define WRITES   12u
#define START_MS UINT64_C(1767323040000)
#define PER_TXN  500u
#define QUERIES  200u
#define TOP      10u
#define TOPS     20u

struct bench {
	struct clock *clock;
	struct loop *loop;
	struct db *db;
	struct inv *inv;
	struct stats *stats;
	char dir[64];
	unsigned hosts, guests, files;
	obj_id *host_ids, *vm_ids;
	uint8_t counters[METRIC_MAX];
};

static void
print(const char *name, double v, const char *unit)
{
	printf("%-36s %12.3f %s\n", name, v, unit);
	fflush(stdout);
}

static double
cpu_s(int who)
{
	struct rusage u;

	ASSERT(!getrusage(who, &u));
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double
resident_mb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	char line[128];

	ASSERT(f && fgets(line, sizeof(line), f));
	fclose(f);
	return (double)strtoull(strchr(line, ' '), NULL, 10) *
	       (double)sysconf(_SC_PAGESIZE) / 1048576.0;
}

static void
settle(struct bench *b)
{
	while (loop_turn(b->loop, 0) > 0)
		;
}

/* ---- hosts and guests ---- */

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
		AUTO_FREE char *name = xasprintf("vm-%u", i);
		struct vm *vm;

		b->vm_ids[i] = add(t, KIND_VM, dc, name);
		vm = txn_edit(t, b->vm_ids[i]);
		vm->host = b->host_ids[i / b->guests];
		vm->pool = pool;
		vm->power_state = POWER_ON;
		if (i % PER_TXN)
			continue;
		txn_commit(t, ignore_end, NULL);
		settle(b);
		t = txn_new(b->inv);
	}
	txn_commit(t, ignore_end, NULL);
	settle(b);
}

static void
open_bench(struct bench *b)
{
	const struct metric *m = NULL;

	snprintf(b->dir, sizeof(b->dir), "/tmp/bench-stats-XXXXXX");
	ASSERT(mkdtemp(b->dir));
	b->clock = clock_virtual_new(1000, START_MS);
	b->loop = loop_new(b->clock);
	b->db = db_fake_new(b->loop, 5000);
	b->inv = inv_new(b->loop, b->db);
	inv_load(b->inv, ignore_end, NULL);
	settle(b);
	b->host_ids = xcalloc(b->hosts, sizeof(*b->host_ids));
	b->vm_ids = xcalloc((size_t)b->hosts * b->guests, sizeof(*b->vm_ids));
	add_all(b);
	for (unsigned n = 0; n < COUNTERS; n++) {
		do {
			m = metric_next(m);
		} while (!(m->objects & METRIC_OF_MACHINE));
		b->counters[n] = (uint8_t)m->number;
	}
}

/* Files are written by this program alone, later. */
static void
open_stats(struct bench *b)
{
	const struct stats_opts o = {
		.inv = b->inv,
		.dir = b->dir,
		.interval_ms = STEP_S * 1000,
		.write_s = 1000000,
	};
	struct err e = ERR_INIT;

	if (stats_new(&o, &b->stats, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
}

/* ---- intake ---- */

/* What a host's agent sends: the frame's bytes, malloc'd. */
static uint8_t *
frame_of(const struct bench *b, unsigned host, uint64_t seq, size_t *ret_n)
{
	Drover__StatSet *sets = xcalloc(b->guests, sizeof(*sets));
	Drover__StatSet **list = xcalloc(b->guests, sizeof(Drover__StatSet *));
	uint64_t *values = xcalloc((size_t)b->guests * COUNTERS, sizeof(*values));
	uint32_t counters[COUNTERS];
	Drover__StatRound r = DROVER__STAT_ROUND__INIT, *rounds[] = { &r };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	uint8_t *p;

	for (unsigned k = 0; k < COUNTERS; k++)
		counters[k] = b->counters[k];
	for (unsigned i = 0; i < b->guests; i++) {
		list[i] = &sets[i];
		drover__stat_set__init(&sets[i]);
		sets[i].id = obj_id_number(b->vm_ids[host * b->guests + i]);
		sets[i].n_counters = sets[i].n_values = COUNTERS;
		sets[i].counters = counters;
		sets[i].values = values + (size_t)i * COUNTERS;
		for (unsigned k = 0; k < COUNTERS; k++)
			sets[i].values[k] =
			    (seq * 7919 + k * UINT64_C(104729)) % 5000000;
	}
	r.seq = seq;
	r.span_ms = STEP_S * 1000;
	r.n_guests = b->guests;
	r.guests = list;
	batch.n_rounds = 1;
	batch.rounds = rounds;
	m.version = PROTO_VERSION;
	m.body_case = DROVER__ENVELOPE__BODY_STAT_BATCH;
	m.stat_batch = &batch;
	ASSERT(!msg_pack(&m, &p, ret_n, NULL));
	free(sets);
	free(list);
	free(values);
	return p;
}

/* CPU time that one host's round takes. */
static double
take_frame(struct bench *b, unsigned host, uint64_t seq)
{
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;
	size_t n;
	AUTO_FREE uint8_t *p = frame_of(b, host, seq, &n);
	double began = cpu_s(RUSAGE_THREAD);
	Drover__Envelope *m;

	ASSERT(!msg_unpack(p, n, &m, NULL));
	stats_take(b->stats, b->host_ids[host], "boot", m->stat_batch, &ack);
	msg_free(m);
	return cpu_s(RUSAGE_THREAD) - began;
}

static void
intake(struct bench *b)
{
	double before_mb = resident_mb(), total = 0, worst = 0, turn = 0;
	unsigned measured = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		double began = cpu_s(RUSAGE_THREAD), took_sums;

		clock_advance(b->clock, (uint64_t)STEP_S * 1000);
		settle(b);
		took_sums = cpu_s(RUSAGE_THREAD) - began;
		turn = took_sums > turn ? took_sums : turn;
		for (unsigned i = 0; i < b->hosts; i++) {
			double took = take_frame(b, i, round + 1);

			/* The first makes the rings. */
			if (!round)
				continue;
			total += took;
			measured++;
			worst = took > worst ? took : worst;
		}
	}
	total /= measured;
	print("intake_cpu_per_round", total * b->hosts * 1e3, "ms");
	print("intake_share_of_a_core", total * b->hosts / STEP_S * 100, "%");
	print("intake_cpu_per_value", total / (b->guests * COUNTERS) * 1e9, "ns");
	print("intake_worst_frame", worst * 1e3, "ms");
	print("sums_of_pools_worst", turn * 1e3, "ms");
	print("memory_of_an_hour", resident_mb() - before_mb, "MB");
}

/* ---- files ---- */

static double
now_s(void)
{
	return (double)clock_mono_us(clock_system()) / 1e6;
}

static char *
path_of(const struct bench *b, unsigned i)
{
	return xasprintf("%s/vms/bench-%u.rrd", b->dir, i);
}

static float *
make_rows(size_t width)
{
	float *v = xcalloc(ROWS * width, sizeof(*v));

	for (size_t i = 0; i < ROWS * width; i++)
		v[i] = i % width < COUNTERS ? (float)(i % 977) * 1.37f : NAN;
	return v;
}

/* Through our own call; CPU seconds for one file. */
static double
write_ours(struct bench *b, const char *daemon, uint64_t first, const float *v)
{
	double began = cpu_s(RUSAGE_SELF);

	for (unsigned i = 0; i < b->files; i++) {
		AUTO_FREE char *path = path_of(b, i);
		const struct rrd_file f = { path, daemon, STEP_S, METRIC_OF_MACHINE };
		const struct rrd_rows rows = { first, ROWS, v };
		struct err e = ERR_INIT;

		if (rrd_file_add(&f, &rows, &e)) {
			fprintf(stderr, "%s\n", e.msg);
			exit(1);
		}
	}
	return (cpu_s(RUSAGE_SELF) - began) / b->files;
}

/* librrd, or its client of rrdcached, with texts that were made before. */
static double
write_plain(struct bench *b, const char *daemon, uint64_t first, const float *v)
{
	uint8_t counters[METRIC_MAX];
	size_t width = metrics_of(METRIC_OF_MACHINE, counters);
	struct str text[ROWS];
	const char *list[ROWS];
	double took;

	for (size_t i = 0; i < ROWS; i++) {
		text[i] = (struct str)STR_INIT;
		str_addf(&text[i], "%llu", (unsigned long long)(first + i) * STEP_S);
		for (size_t k = 0; k < width; k++) {
			if (isnan(v[i * width + k]))
				str_add(&text[i], ":U");
			else
				str_addf(&text[i], ":%.7g", (double)v[i * width + k]);
		}
		list[i] = str_cstr(&text[i]);
	}
	took = cpu_s(RUSAGE_SELF);
	for (unsigned i = 0; i < b->files; i++) {
		AUTO_FREE char *path = path_of(b, i);

		if (*daemon ? rrdc_update(path, ROWS, list)
			    : rrd_updatex_r(path, NULL, 0, ROWS, list)) {
			fprintf(stderr, "%s\n", rrd_get_error());
			exit(1);
		}
	}
	took = cpu_s(RUSAGE_SELF) - took;
	for (size_t i = 0; i < ROWS; i++)
		str_fini(&text[i]);
	return took / b->files;
}

static pid_t
start_daemon(const struct bench *b, const char *address)
{
	AUTO_FREE char *pid_file = xasprintf("%s/pid", b->dir);
	pid_t pid = fork();

	ASSERT(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		execlp("rrdcached", "rrdcached", "-g", "-l", address, "-p", pid_file,
		    "-b", b->dir, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void
write_through_daemon(struct bench *b, uint64_t first, const float *v)
{
	AUTO_FREE char *address = xasprintf("unix:%s/sock", b->dir);
	double end = now_s() + 10, ours, plain, its;
	pid_t pid = start_daemon(b, address);
	int status;

	while (access(address + strlen("unix:"), F_OK) && now_s() < end &&
	       !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	if (access(address + strlen("unix:"), F_OK)) {
		fprintf(stderr, "no rrdcached: passed over\n");
		return;
	}
	ours = write_ours(b, address, first, v);
	plain = write_plain(b, address, first + ROWS, v);
	its = cpu_s(RUSAGE_CHILDREN);
	/* It writes everything before it ends. */
	ASSERT(!kill(pid, SIGTERM) && waitpid(pid, &status, 0) == pid);
	its = (cpu_s(RUSAGE_CHILDREN) - its) / b->files / 2;
	print("rrdcached_ours", ours * 1e6, "us");
	print("rrdcached_plain_client", plain * 1e6, "us");
	print("rrdcached_itself", its * 1e6, "us");
	print("rrdcached_over_plain", (ours + its) / (plain + its), "x");
}

static void
writing(struct bench *b)
{
	uint8_t counters[METRIC_MAX];
	AUTO_FREE float *v = make_rows(metrics_of(METRIC_OF_MACHINE, counters));
	uint64_t slot = START_MS / 1000 / STEP_S, last;
	double ours = 0, plain = 0, made = now_s();
	double all = (double)b->hosts * b->guests;

	for (unsigned i = 0; i < b->files; i++) {
		AUTO_FREE char *path = path_of(b, i);
		const struct rrd_file f = { path, "", STEP_S, METRIC_OF_MACHINE };

		ASSERT(!rrd_file_open(&f, slot, &last, NULL));
	}
	print("file_make", (now_s() - made) / b->files * 1e3, "ms");
	for (unsigned i = 0; i < WRITES; i++) {
		ours += write_ours(b, "", slot, v);
		slot += ROWS;
		plain += write_plain(b, "", slot, v);
		slot += ROWS;
	}
	ours /= WRITES;
	plain /= WRITES;
	print("write_ours", ours * 1e6, "us");
	print("write_plain_librrd", plain * 1e6, "us");
	print("write_over_plain_librrd", ours / plain, "x");
	print("write_cpu_per_20_s", ours * all / ROWS * 1e3, "ms");
	print("write_share_of_a_core", ours * all / ROWS / STEP_S * 100, "%");
	write_through_daemon(b, slot, v);
}

/* ---- questions ---- */

static void
on_answer(void *arg, int rc, const struct err *e, const struct stat_answer *a)
{
	ASSERT(!rc);
	*(bool *)arg = true;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
question(struct bench *b, const char *name, uint64_t back_s)
{
	uint8_t counter = b->counters[0];
	double took[QUERIES], cpu = cpu_s(RUSAGE_SELF);

	for (unsigned i = 0; i < QUERIES; i++) {
		const struct stat_ask q = { .ids = &b->vm_ids[i],
			.n_ids = 1,
			.counters = &counter,
			.n_counters = 1,
			.want = { .start_s =
				      clock_wall_ms(b->clock) / 1000 - back_s } };
		bool done = false;
		double began = now_s();

		ASSERT(!stats_query(b->stats, &q, on_answer, &done, NULL));
		while (!done)
			loop_turn(b->loop, 0);
		took[i] = now_s() - began;
	}
	qsort(took, QUERIES, sizeof(*took), by_size);
	print(name, took[QUERIES * 99 / 100] * 1e3, "ms");
	print("  median", took[QUERIES / 2] * 1e3, "ms");
	print("  CPU time of it", (cpu_s(RUSAGE_SELF) - cpu) / QUERIES * 1e3, "ms");
}

static void
on_top(void *arg, int rc, const struct err *e, const struct stat_top *t)
{
	ASSERT(!rc && t->n == TOP);
	*(bool *)arg = true;
}

/* All guests; the longest turn of the loop is what others wait for. */
static void
wait_for_all(struct bench *b, const bool *done, double *ret_turn)
{
	while (!*done) {
		double began = now_s(), turn;

		loop_turn(b->loop, 0);
		turn = now_s() - began;
		*ret_turn = turn > *ret_turn ? turn : *ret_turn;
	}
}

static void
top(struct bench *b, const char *name, enum stat_by_what by)
{
	const struct stat_top_ask ask = {
		.ids = b->vm_ids,
		.n_ids = (size_t)b->hosts * b->guests,
		.counter = b->counters[0],
		.want.start_s = clock_wall_ms(b->clock) / 1000 - 3580,
		.by = { by, 95 },
		.n = TOP,
	};
	double took[TOPS], turn = 0, cpu = cpu_s(RUSAGE_THREAD);

	for (unsigned i = 0; i < TOPS; i++) {
		bool done = false;
		double began = now_s();

		ASSERT(!stats_top(b->stats, &ask, on_top, &done, NULL));
		wait_for_all(b, &done, &turn);
		took[i] = now_s() - began;
	}
	qsort(took, TOPS, sizeof(*took), by_size);
	print(name, took[TOPS - 1] * 1e3, "ms");
	print("  CPU time of it", (cpu_s(RUSAGE_THREAD) - cpu) / TOPS * 1e3, "ms");
	print("  longest turn of the loop", turn * 1e3, "ms");
}

/* All guests as one line. */
static void
group(struct bench *b)
{
	size_t n = (size_t)b->hosts * b->guests;
	AUTO_FREE obj_id *groups = xcalloc(n, sizeof(*groups));
	const struct stat_group_ask ask = {
		.of = { b->vm_ids, n, b->counters, 1,
		    { .start_s = clock_wall_ms(b->clock) / 1000 - 3580 } },
		.groups = groups,
	};
	double began = now_s(), turn = 0;
	bool done = false;

	for (size_t i = 0; i < n; i++)
		groups[i] = b->host_ids[i % 10];
	ASSERT(!stats_group(b->stats, &ask, on_answer, &done, NULL));
	wait_for_all(b, &done, &turn);
	print("group_all_guests_hour", (now_s() - began) * 1e3, "ms");
}

/* Those that are asked about have a whole file each. */
static void
questions(struct bench *b)
{
	AUTO_FREE char *made = path_of(b, 0);

	for (unsigned i = 0; i < QUERIES; i++) {
		char id[OBJ_ID_TEXT];
		AUTO_FREE char *path =
		    xasprintf("%s/vms/%s.rrd", b->dir, obj_id_text(b->vm_ids[i], id));

		(void)unlink(path);
		ASSERT(!link(made, path));
	}
	question(b, "question_hour_p99", 3000);
	question(b, "question_day_p99", 86000);
	question(b, "question_year_p99", 364 * UINT64_C(86400));
	top(b, "top_10_of_all_guests_hour", STAT_BY_AVERAGE);
	top(b, "top_10_by_p95_hour", STAT_BY_PERCENTILE);
	group(b);
}

static void
close_bench(struct bench *b)
{
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", b->dir);

	/* What is in memory stays there: its files are more than there is room for. */
	/* NOLINTNEXTLINE(cert-env33-c): a folder that this program has made */
	ASSERT(!system(line));
}

int
main(int argc, char **argv)
{
	struct bench b = { .hosts = 2500, .guests = 18, .files = 200 };

	if (argc == 4) {
		b.hosts = (unsigned)strtoul(argv[1], NULL, 10);
		b.guests = (unsigned)strtoul(argv[2], NULL, 10);
		b.files = (unsigned)strtoul(argv[3], NULL, 10);
	}
	if ((argc != 1 && argc != 4) || !b.hosts || !b.guests || !b.files ||
	    (size_t)b.hosts * b.guests < QUERIES) {
		fprintf(stderr, "usage: bench_stats [HOSTS GUESTS FILES]\n");
		return 2;
	}
	open_bench(&b);
	open_stats(&b);
	intake(&b);
	writing(&b);
	questions(&b);
	close_bench(&b);
	return 0;
}
