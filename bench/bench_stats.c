/*
 * bench_stats: what statistics cost a server, "name value unit" a line.
 *
 *     bench_stats [HOSTS GUESTS FILES]      2500 hosts, 18 guests on each, 200 files
 *
 * Intake: every host sends a round of 15 counters of each guest, an hour of them; from
 * the bytes of a frame to the rings; then the same with the alarms of a new
 * installation, and with all guests above their limits at once.  Writing: rows of five
 * minutes to FILES files, beside librrd with the same rows and nothing else, and both
 * through an rrdcached of their own.  Questions: an hour, a day and a year of one
 * guest; the first ten of all guests, and all of them in groups.  All the guests' files
 * would be more than most disks have; what writing them would take in 20 s is worked
 * out from that.  bench_intake does it all at once, in real time.
 *
 * Turns of the loop are measured by the CPU time that they take: what others on this
 * machine do does not count.
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
#include "bench/stats_scene.h"
#include "loop/loop.h"
#include "server/alarm/alarm.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/inv_within.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_group.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stat_top.h"

#define ROUNDS        180u
#define ROUNDS_ALARMS 6u
#define ROUNDS_BAD    20u /* five minutes, and what follows */
#define CALM          50u
#define SECOND_MS     1000u
#define WRITES        12u
#define START_MS      UINT64_C(1767323040000)
#define QUERIES       200u
#define MANY          1000u /* objects of one question */
#define TOP           10u
#define TOPS          20u
#define STEP_S        SCENE_STEP_S
#define COUNTERS      SCENE_COUNTERS
#define ROWS          SCENE_ROWS

struct bench {
	struct scene scene;
	struct clock *clock;
	struct stats *stats;
	struct alarms *alarms;
	unsigned files;
	double longest_s; /* turn of the loop */
};

/* A turn of the loop; returns whether anything was done. */
static bool
turn(struct bench *b)
{
	double began = scene_cpu_s(RUSAGE_THREAD), took;
	bool did = loop_turn(b->scene.loop, 0) > 0;

	took = scene_cpu_s(RUSAGE_THREAD) - began;
	b->longest_s = took > b->longest_s ? took : b->longest_s;
	return did;
}

static void
settle(struct bench *b)
{
	while (turn(b))
		;
}

static void
print_longest(struct bench *b, const char *name)
{
	scene_print(name, b->longest_s * 1e3, "ms");
	b->longest_s = 0;
}

/* Files are written by this program alone, later. */
static void
open_stats(struct bench *b)
{
	const struct stats_opts o = {
		.inv = b->scene.inv,
		.dir = b->scene.dir,
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

/* CPU time that one host's round takes. */
static double
take_frame(struct bench *b, unsigned host, uint64_t seq, unsigned calm)
{
	const struct scene_round r = { .seq = seq, .calm = calm };
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;
	size_t n;
	AUTO_FREE uint8_t *p = scene_frame(&b->scene, host, &r, &n);
	double began = scene_cpu_s(RUSAGE_THREAD);
	Drover__Envelope *m;

	ASSERT(!msg_unpack(p, n, &m, NULL));
	stats_take(b->stats, b->scene.host_ids[host], "boot", m->stat_batch, &ack);
	msg_free(m);
	return scene_cpu_s(RUSAGE_THREAD) - began;
}

struct cost {
	double total_s, worst_s; /* of all frames; of one */
};

/* Every host's round, and what the server makes of it until the next. */
static struct cost
take_round(struct bench *b, uint64_t seq, unsigned calm)
{
	struct cost c = { 0 };

	for (unsigned i = 0; i < b->scene.hosts; i++) {
		double took = take_frame(b, i, seq, calm);

		c.total_s += took;
		c.worst_s = took > c.worst_s ? took : c.worst_s;
	}
	for (unsigned i = 0; i < STEP_S; i++) {
		clock_advance(b->clock, SECOND_MS);
		settle(b);
	}
	return c;
}

static void
intake(struct bench *b)
{
	double before_mb = scene_resident_mb(getpid()), total = 0, worst = 0;
	double all = (double)scene_all(&b->scene);

	clock_advance(b->clock, (uint64_t)STEP_S * 1000);
	settle(b);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct cost c = take_round(b, round + 1, CALM);

		/* The first makes the rings. */
		if (!round)
			continue;
		total += c.total_s;
		worst = c.worst_s > worst ? c.worst_s : worst;
	}
	total /= ROUNDS - 1;
	scene_print("intake_cpu_per_round", total * 1e3, "ms");
	scene_print("intake_share_of_a_core", total / STEP_S * 100, "%");
	scene_print("intake_cpu_per_value", total / (all * COUNTERS) * 1e9, "ns");
	scene_print("intake_worst_frame", worst * 1e3, "ms");
	print_longest(b, "stats_turn_longest");
	scene_print("memory_of_an_hour", scene_resident_mb(getpid()) - before_mb, "MB");
}

/* ---- alarms ---- */

static void
open_alarms(struct bench *b)
{
	const struct alarm_opts o = { .inv = b->scene.inv,
		.stats = b->stats,
		.deadline_ms = 1000,
		.script_ms = 1000 };

	b->alarms = alarms_new(&o);
	for (unsigned i = 0; i < STEP_S; i++) {
		clock_advance(b->clock, SECOND_MS);
		settle(b);
	}
}

/* All guests at once go above their limits, stay there, and come back. */
static void
alarms(struct bench *b)
{
	double before_mb = scene_resident_mb(getpid()), total = 0, began;
	uint64_t seq = ROUNDS;

	open_alarms(b);
	for (unsigned i = 0; i < ROUNDS_ALARMS; i++)
		total += take_round(b, ++seq, CALM).total_s;
	scene_print(
	    "alarm_definitions", (double)inv_count(b->scene.inv, KIND_ALARMDEF), "n");
	scene_print(
	    "intake_with_alarms_cpu_per_round", total / ROUNDS_ALARMS * 1e3, "ms");
	scene_print("alarms_memory", scene_resident_mb(getpid()) - before_mb, "MB");
	print_longest(b, "alarms_turn_longest");
	began = scene_cpu_s(RUSAGE_THREAD);
	for (unsigned i = 0; i < ROUNDS_BAD; i++)
		(void)take_round(b, ++seq, 0);
	scene_print(
	    "alarms_all_raised", (double)inv_count(b->scene.inv, KIND_ALARM), "n");
	print_longest(b, "alarms_all_raised_turn_longest");
	for (unsigned i = 0; i < ROUNDS_BAD; i++)
		(void)take_round(b, ++seq, CALM);
	scene_print("alarms_all_raised_cpu_per_round",
	    (scene_cpu_s(RUSAGE_THREAD) - began) / (2 * ROUNDS_BAD) * 1e3, "ms");
	print_longest(b, "alarms_all_over_turn_longest");
}

/* ---- files ---- */

static char *
path_of(const struct bench *b, unsigned i)
{
	return xasprintf("%s/vms/bench-%u.rrd", b->scene.dir, i);
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
	double began = scene_cpu_s(RUSAGE_SELF);

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
	return (scene_cpu_s(RUSAGE_SELF) - began) / b->files;
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
	took = scene_cpu_s(RUSAGE_SELF);
	for (unsigned i = 0; i < b->files; i++) {
		AUTO_FREE char *path = path_of(b, i);

		if (*daemon ? rrdc_update(path, ROWS, list)
			    : rrd_updatex_r(path, NULL, 0, ROWS, list)) {
			fprintf(stderr, "%s\n", rrd_get_error());
			exit(1);
		}
	}
	took = scene_cpu_s(RUSAGE_SELF) - took;
	for (size_t i = 0; i < ROWS; i++)
		str_fini(&text[i]);
	return took / b->files;
}

static pid_t
start_daemon(const struct bench *b, const char *address)
{
	AUTO_FREE char *pid_file = xasprintf("%s/pid", b->scene.dir);
	pid_t pid = fork();

	ASSERT(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		execlp("rrdcached", "rrdcached", "-g", "-l", address, "-p", pid_file,
		    "-b", b->scene.dir, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void
write_through_daemon(struct bench *b, uint64_t first, const float *v)
{
	AUTO_FREE char *address = xasprintf("unix:%s/sock", b->scene.dir);
	double end = scene_now_s() + 10, ours, plain, its;
	pid_t pid = start_daemon(b, address);
	int status;

	while (access(address + strlen("unix:"), F_OK) && scene_now_s() < end &&
	       !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	if (access(address + strlen("unix:"), F_OK)) {
		fprintf(stderr, "no rrdcached: passed over\n");
		return;
	}
	ours = write_ours(b, address, first, v);
	plain = write_plain(b, address, first + ROWS, v);
	its = scene_cpu_s(RUSAGE_CHILDREN);
	/* It writes everything before it ends. */
	ASSERT(!kill(pid, SIGTERM) && waitpid(pid, &status, 0) == pid);
	its = (scene_cpu_s(RUSAGE_CHILDREN) - its) / b->files / 2;
	scene_print("rrdcached_ours", ours * 1e6, "us");
	scene_print("rrdcached_plain_client", plain * 1e6, "us");
	scene_print("rrdcached_itself", its * 1e6, "us");
	scene_print("rrdcached_over_plain", (ours + its) / (plain + its), "x");
}

static void
writing(struct bench *b)
{
	uint8_t counters[METRIC_MAX];
	AUTO_FREE float *v = make_rows(metrics_of(METRIC_OF_MACHINE, counters));
	uint64_t slot = START_MS / 1000 / STEP_S, last;
	double ours = 0, plain = 0, made = scene_now_s();
	double all = (double)scene_all(&b->scene);

	for (unsigned i = 0; i < b->files; i++) {
		AUTO_FREE char *path = path_of(b, i);
		const struct rrd_file f = { path, "", STEP_S, METRIC_OF_MACHINE };

		ASSERT(!rrd_file_open(&f, slot, &last, NULL));
	}
	scene_print("file_make", (scene_now_s() - made) / b->files * 1e3, "ms");
	for (unsigned i = 0; i < WRITES; i++) {
		ours += write_ours(b, "", slot, v);
		slot += ROWS;
		plain += write_plain(b, "", slot, v);
		slot += ROWS;
	}
	ours /= WRITES;
	plain /= WRITES;
	scene_print("write_ours", ours * 1e6, "us");
	scene_print("write_plain_librrd", plain * 1e6, "us");
	scene_print("write_over_plain_librrd", ours / plain, "x");
	scene_print("write_cpu_per_20_s", ours * all / ROWS * 1e3, "ms");
	scene_print("write_share_of_a_core", ours * all / ROWS / STEP_S * 100, "%");
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
	uint8_t counter = b->scene.counters[0];
	double took[QUERIES], cpu = scene_cpu_s(RUSAGE_SELF);

	for (unsigned i = 0; i < QUERIES; i++) {
		const struct stat_ask q = { .ids = &b->scene.vm_ids[i],
			.n_ids = 1,
			.counters = &counter,
			.n_counters = 1,
			.want = {
			    .start_s = clock_wall_ms(b->clock) / 1000 - back_s } };
		bool done = false;
		double began = scene_now_s();

		ASSERT(!stats_query(b->stats, &q, on_answer, &done, NULL));
		while (!done)
			loop_turn(b->scene.loop, 0);
		took[i] = scene_now_s() - began;
	}
	qsort(took, QUERIES, sizeof(*took), by_size);
	scene_print(name, took[QUERIES * 99 / 100] * 1e3, "ms");
	scene_print("  median", took[QUERIES / 2] * 1e3, "ms");
	scene_print(
	    "  CPU time of it", (scene_cpu_s(RUSAGE_SELF) - cpu) / QUERIES * 1e3, "ms");
}

static void
on_top(void *arg, int rc, const struct err *e, const struct stat_top *t)
{
	ASSERT(!rc && t->n == TOP);
	*(bool *)arg = true;
}

static void
wait_for(struct bench *b, const bool *done)
{
	while (!*done)
		turn(b);
}

static void
top(struct bench *b, const char *name, enum stat_by_what by)
{
	const struct stat_top_ask ask = {
		.ids = b->scene.vm_ids,
		.n_ids = scene_all(&b->scene),
		.counter = b->scene.counters[0],
		.want.start_s = clock_wall_ms(b->clock) / 1000 - 3580,
		.by = { by, 95 },
		.n = TOP,
	};
	double took[TOPS], cpu = scene_cpu_s(RUSAGE_THREAD);

	for (unsigned i = 0; i < TOPS; i++) {
		bool done = false;
		double began = scene_now_s();

		ASSERT(!stats_top(b->stats, &ask, on_top, &done, NULL));
		wait_for(b, &done);
		took[i] = scene_now_s() - began;
	}
	qsort(took, TOPS, sizeof(*took), by_size);
	scene_print(name, took[TOPS - 1] * 1e3, "ms");
	scene_print(
	    "  CPU time of it", (scene_cpu_s(RUSAGE_THREAD) - cpu) / TOPS * 1e3, "ms");
	print_longest(b, "  longest turn of the loop");
}

/* All guests, in so many groups. */
static void
group(struct bench *b, const char *name, unsigned n_groups)
{
	size_t n = scene_all(&b->scene);
	AUTO_FREE obj_id *groups = xcalloc(n, sizeof(*groups));
	const struct stat_group_ask ask = {
		.of = { b->scene.vm_ids, n, b->scene.counters, 1,
		    { .start_s = clock_wall_ms(b->clock) / 1000 - 3580 } },
		.groups = groups,
	};
	double began = scene_now_s();
	bool done = false;

	for (size_t i = 0; i < n; i++)
		groups[i] = b->scene.host_ids[i % n_groups];
	ASSERT(!stats_group(b->stats, &ask, on_answer, &done, NULL));
	wait_for(b, &done);
	scene_print(name, (scene_now_s() - began) * 1e3, "ms");
	print_longest(b, "  longest turn of the loop");
}

/* Which guests are in a place, and in which pool each is: before anything is read. */
static void
selection(struct bench *b)
{
	const struct inv *inv = b->scene.inv;
	obj_id cluster = inv_get(inv, b->scene.host_ids[0])->parent;
	double began = scene_cpu_s(RUSAGE_THREAD);
	AUTO(inv_within) struct inv_within *in = inv_within_place(inv, cluster);
	AUTO(inv_within) struct inv_within *of = inv_within_kind(inv, KIND_POOL);
	size_t n = 0;

	INV_EACH(inv, KIND_VM, o)
	{
		n += !obj_id_none(inv_within_find(in, o)) &&
		     !obj_id_none(inv_within_find(of, o));
	}
	ASSERT(n == scene_all(&b->scene));
	scene_print("selection_of_all_guests",
	    (scene_cpu_s(RUSAGE_THREAD) - began) * 1e3, "ms");
}

/* An hour of many counters of many guests: as much as one question may read. */
static void
largest(struct bench *b)
{
	const struct stat_ask q = {
		.ids = b->scene.vm_ids,
		.n_ids = scene_all(&b->scene) < MANY ? scene_all(&b->scene) : MANY,
		.counters = b->scene.counters,
		.n_counters = COUNTERS,
		.want = { .start_s = clock_wall_ms(b->clock) / 1000 - 3580 },
	};
	double began = scene_now_s();
	bool done = false;

	ASSERT(!stats_query(b->stats, &q, on_answer, &done, NULL));
	wait_for(b, &done);
	scene_print("question_of_many", (scene_now_s() - began) * 1e3, "ms");
	print_longest(b, "  longest turn of the loop");
}

/* Those that are asked about have a whole file each. */
static void
questions(struct bench *b)
{
	AUTO_FREE char *made = path_of(b, 0);

	for (unsigned i = 0; i < QUERIES; i++) {
		char id[OBJ_ID_TEXT];
		AUTO_FREE char *path = xasprintf(
		    "%s/vms/%s.rrd", b->scene.dir, obj_id_text(b->scene.vm_ids[i], id));

		(void)unlink(path);
		ASSERT(!link(made, path));
	}
	question(b, "question_hour_p99", 3000);
	question(b, "question_day_p99", 86000);
	question(b, "question_year_p99", 364 * UINT64_C(86400));
	top(b, "top_10_of_all_guests_hour", STAT_BY_AVERAGE);
	top(b, "top_10_by_p95_hour", STAT_BY_PERCENTILE);
	group(b, "group_all_guests_hour", 10);
	group(b, "group_by_host_hour", b->scene.hosts);
	selection(b);
	largest(b);
}

int
main(int argc, char **argv)
{
	struct bench b = { .scene = { .hosts = 2500, .guests = 18 }, .files = 200 };

	if (argc == 4) {
		b.scene.hosts = (unsigned)strtoul(argv[1], NULL, 10);
		b.scene.guests = (unsigned)strtoul(argv[2], NULL, 10);
		b.files = (unsigned)strtoul(argv[3], NULL, 10);
	}
	if ((argc != 1 && argc != 4) || !b.files || scene_all(&b.scene) < QUERIES) {
		fprintf(stderr, "usage: bench_stats [HOSTS GUESTS FILES]\n");
		return 2;
	}
	b.clock = clock_virtual_new(1000, START_MS);
	scene_open(&b.scene, b.clock);
	open_stats(&b);
	intake(&b);
	writing(&b);
	questions(&b);
	alarms(&b);
	/* What is in memory stays there: its files are more than there is room for. */
	scene_remove(&b.scene);
	return 0;
}
