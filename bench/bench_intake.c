/*
 * bench_intake: a server's statistics at work, in real time, "name value unit" a line.
 *
 *     bench_intake [--seconds N] [HOSTS GUESTS]     120 s, 2500 hosts, 18 guests on
 * each
 *
 * Agents in a process of their own send 15 counters of each guest every 20 s; the
 * server takes them, sums up, watches the alarms of a new installation and has
 * rrdcached write all objects' files.  CPU time is that of the server with its workers
 * and of rrdcached until everything is in the files; agents' own, and TLS, are not in
 * it.  Dropped is what was sent and is not in memory.
 *
 * Files have all sources and archives, but a hundredth of their rows: what writing
 * costs depends on the former, and all of the latter would be 240 GB.  Some 3 GB of
 * room are needed in /tmp.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rrd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench/intake_agents.h"
#include "bench/stats_scene.h"
#include "loop/loop.h"
#include "server/alarm/alarm.h"
#include "server/inventory/inv_life.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stats_int.h"

#define ROWS_PART  100u /* of the archives' rows */
#define ROWS_MIN   20u
#define WRITE_S    300u
#define PAUSE_MS   2 /* while nothing is to be done */
#define SLOW_S     0.05
#define DAEMON_S   30.0
#define ARGS_MAX   (METRIC_MAX + 2 * STAT_ARCHIVES)
#define READ_BYTES ((size_t)64 * 1024)

struct server {
	struct scene scene;
	struct stats *stats;
	struct alarms *alarms;
	char *address; /* of rrdcached */
	pid_t daemon, agents;
	int fd;              /* of the agents */
	uint64_t first_slot; /* that agents tell of */
	char *in;            /* what was read and is no whole frame yet */
	size_t n_in;
	uint64_t frames, values;
	/* Of the loop's turns. */
	uint64_t turns, slow;
	double longest_s, longest_cpu_s;
};

static void
fail(const char *what)
{
	fprintf(stderr, "bench_intake: %s\n", what);
	exit(1);
}

/* ---- files ---- */

static void
add_archives(struct str args[ARGS_MAX], int *n, const char *cf, size_t from)
{
	for (size_t i = from; i < STAT_ARCHIVES; i++) {
		const struct stat_archive *a = &stat_archives[i];
		uint32_t row_s = a->row_s ? a->row_s : SCENE_STEP_S;
		uint32_t rows = a->length_s / row_s / ROWS_PART;

		args[*n] = (struct str)STR_INIT;
		str_addf(&args[(*n)++], "RRA:%s:0.5:%u:%u", cf, row_s / SCENE_STEP_S,
		    rows < ROWS_MIN ? ROWS_MIN : rows);
	}
}

/* One file, as all of that kind of object begin. */
static void
make_first(const char *path, unsigned objects, uint64_t slot)
{
	struct str args[ARGS_MAX];
	const char *list[ARGS_MAX];
	uint8_t counters[METRIC_MAX];
	size_t n_counters = metrics_of(objects, counters);
	int n = 0;

	for (size_t i = 0; i < n_counters; i++) {
		args[n] = (struct str)STR_INIT;
		str_addf(
		    &args[n++], "DS:m%u:GAUGE:%u:0:U", counters[i], 2 * SCENE_STEP_S);
	}
	add_archives(args, &n, "AVERAGE", 0);
	add_archives(args, &n, "MAX", 1);
	for (int i = 0; i < n; i++)
		list[i] = str_cstr(&args[i]);
	if (rrd_create_r2(path, SCENE_STEP_S, (time_t)(slot * SCENE_STEP_S), 0, NULL,
		NULL, n, list))
		fail(rrd_get_error());
	for (int i = 0; i < n; i++)
		str_fini(&args[i]);
}

static char *
read_all(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "re");
	char *p = xmalloc((size_t)1 << 20);

	ASSERT(f);
	*ret_n = fread(p, 1, (size_t)1 << 20, f);
	fclose(f);
	return p;
}

/* Their objects are as if their files had been looked at before. */
static void
make_files(struct server *s)
{
	AUTO_FREE char *first = xasprintf("%s/first.rrd", s->scene.dir);
	uint64_t slot = stats_slot(s->stats, clock_wall_ms(clock_system()));
	AUTO_FREE char *text = NULL;
	size_t n;

	make_first(first, METRIC_OF_MACHINE, slot);
	text = read_all(first, &n);
	for (size_t i = 0; i < scene_all(&s->scene); i++) {
		obj_id id = s->scene.vm_ids[i];
		AUTO_FREE char *path = stats_path(s->stats, id);
		struct stat_object *o = stats_object(s->stats, id, slot);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0 || write(fd, text, n) != (ssize_t)n)
			fail("no room for the files");
		close(fd);
		o->opened = true;
		o->written = slot;
	}
}

static void
start_daemon(struct server *s)
{
	AUTO_FREE char *pid_file = xasprintf("%s/pid", s->scene.dir);
	AUTO_FREE char *journal = xasprintf("%s/journal", s->scene.dir);
	double end = scene_now_s() + DAEMON_S;

	s->address = xasprintf("unix:%s/sock", s->scene.dir);
	s->daemon = fork();
	ASSERT(s->daemon >= 0);
	if (!s->daemon) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		execlp("rrdcached", "rrdcached", "-g", "-l", s->address, "-p", pid_file,
		    "-b", s->scene.dir, "-w", "30", "-z", "30", (char *)NULL);
		_exit(127);
	}
	while (access(s->address + strlen("unix:"), F_OK)) {
		if (scene_now_s() > end || waitpid(s->daemon, NULL, WNOHANG))
			fail("rrdcached does not start");
		usleep(1000);
	}
}

/* ---- the server ---- */

static void
open_server(struct server *s)
{
	const struct stats_opts so = {
		.inv = s->scene.inv,
		.dir = s->scene.dir,
		.daemon = s->address,
		.interval_ms = SCENE_STEP_S * 1000,
		.write_s = WRITE_S,
	};
	struct err e = ERR_INIT;

	if (stats_new(&so, &s->stats, &e))
		fail(e.msg);
	make_files(s);
	const struct alarm_opts ao = { .inv = s->scene.inv,
		.stats = s->stats,
		.deadline_ms = 1000,
		.script_ms = 1000 };
	s->alarms = alarms_new(&ao);
}

static void
take_frame(struct server *s, const struct frame_head *h, const uint8_t *p)
{
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;
	Drover__Envelope *m;

	ASSERT(!msg_unpack(p, h->n, &m, NULL));
	stats_take(s->stats, s->scene.host_ids[h->host], "boot", m->stat_batch, &ack);
	msg_free(m);
	s->frames++;
	s->values += h->values;
}

/* What has arrived; false: no more comes. */
static bool
take_some(struct server *s)
{
	ssize_t n = read(s->fd, s->in + s->n_in, READ_BYTES);
	size_t at = 0;

	if (n < 0)
		return errno == EAGAIN;
	s->n_in += (size_t)n;
	for (;;) {
		struct frame_head h;

		if (s->n_in - at < sizeof(h))
			break;
		memcpy(&h, s->in + at, sizeof(h));
		if (s->n_in - at < sizeof(h) + h.n)
			break;
		take_frame(s, &h, (const uint8_t *)s->in + at + sizeof(h));
		at += sizeof(h) + h.n;
	}
	memmove(s->in, s->in + at, s->n_in - at);
	s->n_in -= at;
	return n > 0;
}

/* A turn, in which what has arrived is taken as I/O callbacks would; false: no more
 * comes. */
static bool
turn(struct server *s)
{
	double began = scene_now_s(), cpu = scene_cpu_s(RUSAGE_THREAD), took;
	bool more = take_some(s);
	unsigned ran = loop_turn(s->scene.loop, 0);
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	took = scene_now_s() - began;
	cpu = scene_cpu_s(RUSAGE_THREAD) - cpu;
	s->turns++;
	s->slow += took > SLOW_S;
	s->longest_s = took > s->longest_s ? took : s->longest_s;
	s->longest_cpu_s = cpu > s->longest_cpu_s ? cpu : s->longest_cpu_s;
	if (!ran)
		(void)poll(&p, more ? 1 : 0, PAUSE_MS);
	return more;
}

static void
serve(struct server *s, unsigned steps)
{
	const uint64_t step_ms = SCENE_STEP_S * UINT64_C(1000);
	double end;

	s->first_slot = clock_wall_ms(clock_system()) / step_ms + 1;
	s->agents = agents_start(&s->scene, s->first_slot * step_ms, steps, &s->fd);
	ASSERT(!fcntl(s->fd, F_SETFL, O_NONBLOCK));
	s->in = xmalloc(READ_BYTES + FRAME_MAX + sizeof(struct frame_head));
	while (turn(s))
		;
	/* The last sums. */
	end = scene_now_s() + SCENE_STEP_S;
	while (scene_now_s() < end)
		(void)turn(s);
	ASSERT(waitpid(s->agents, NULL, 0) == s->agents);
}

/* ---- what became of it ---- */

/* Guests' values that are not in memory. */
static uint64_t
count_dropped(const struct server *s, unsigned steps)
{
	uint64_t found = 0;

	for (size_t i = 0; i < scene_all(&s->scene); i++) {
		const struct stat_object *o = stats_find(s->stats, s->scene.vm_ids[i]);

		for (unsigned k = 0; k < SCENE_COUNTERS; k++) {
			for (unsigned n = 0; n < steps; n++)
				found += !isnan(stat_ring_get(
				    o->ring, s->first_slot + n, s->scene.counters[k]));
		}
	}
	return (uint64_t)scene_all(&s->scene) * SCENE_COUNTERS * steps - found;
}

/* Objects whose file lacks rows that it was given. */
static size_t
count_behind(const struct server *s)
{
	size_t n = 0;

	for (size_t i = 0; i < scene_all(&s->scene); i++) {
		obj_id id = s->scene.vm_ids[i];
		AUTO_FREE char *path = stats_path(s->stats, id);
		const struct stat_object *o = stats_find(s->stats, id);

		n += (uint64_t)rrd_last_r(path) / SCENE_STEP_S < o->written;
	}
	return n;
}

static void
tell_turns(const struct server *s)
{
	scene_print("stats_turn_longest_ms", s->longest_s * 1e3, "ms");
	scene_print("stats_turn_longest_cpu_ms", s->longest_cpu_s * 1e3, "ms");
	scene_print("stats_turns_over_50_ms", (double)s->slow, "n");
	scene_print("stats_turns", (double)s->turns, "n");
}

static void
measure(struct server *s, unsigned seconds)
{
	unsigned steps = seconds / SCENE_STEP_S;
	double took = steps * SCENE_STEP_S, server, daemon, resident;
	double cpu = scene_cpu_s(RUSAGE_SELF), children;

	serve(s, steps);
	server = scene_cpu_s(RUSAGE_SELF) - cpu;
	resident = scene_resident_mb(getpid());
	scene_print("intake_seconds", took, "s");
	scene_print("intake_values_per_s", (double)s->values / took, "n");
	scene_print("intake_dropped", (double)count_dropped(s, steps), "n");
	scene_print("memory_server_mb", resident, "MB");
	scene_print("memory_rrdcached_mb", scene_resident_mb(s->daemon), "MB");
	children = scene_cpu_s(RUSAGE_CHILDREN);
	/* It writes everything before it ends. */
	ASSERT(!kill(s->daemon, SIGTERM));
	ASSERT(waitpid(s->daemon, NULL, 0) == s->daemon);
	daemon = scene_cpu_s(RUSAGE_CHILDREN) - children;
	scene_print("files_behind", (double)count_behind(s), "n");
	scene_print("cpu_server_share", server / took * 100, "%");
	scene_print("cpu_rrdcached_share", daemon / took * 100, "%");
	scene_print("cpu_share_of_a_core", (server + daemon) / took * 100, "%");
	tell_turns(s);
}

static int
usage(void)
{
	fprintf(stderr, "usage: bench_intake [--seconds N] [HOSTS GUESTS]\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct server s = { .scene = { .hosts = 2500, .guests = 18 } };
	unsigned seconds = 120;

	if (argc > 2 && str_same(argv[1], "--seconds")) {
		seconds = (unsigned)strtoul(argv[2], NULL, 10);
		argc -= 2;
		argv += 2;
	}
	if (argc == 3) {
		s.scene.hosts = (unsigned)strtoul(argv[1], NULL, 10);
		s.scene.guests = (unsigned)strtoul(argv[2], NULL, 10);
	}
	if ((argc != 1 && argc != 3) || !scene_all(&s.scene) ||
	    seconds < SCENE_STEP_S || seconds > STATS_RING_S - 2 * SCENE_STEP_S)
		return usage();
	scene_open(&s.scene, clock_system());
	start_daemon(&s);
	open_server(&s);
	measure(&s, seconds);
	/* What is in memory stays there. */
	scene_remove(&s.scene);
	return 0;
}
