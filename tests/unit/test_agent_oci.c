/*
 * A real container under the real agent, in a network namespace of the test's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "host-agent/record/record.h"
#include "tests/lib/play_orders.h"

#define SKIPPED     77
#define GUEST       7
#define MIB         (1ull << 20)
#define MAC         "52:54:00:00:00:07"
#define ADDRESS     "10.77.0.9"
#define PORT        80
#define PATIENCE_MS 10000u
#define BUSYBOX     "/usr/bin/busybox"
#define RUNTIME     "/tmp/drover-test-%d-runtime"
/* Ends when it is asked to; as long as it lives, it answers. */
#define PROGRAM \
	"trap 'exit 0' TERM; httpd -p 80 -h /etc; while :; do sleep 1 & wait; done"

static void
sh(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
}

/* ---- a root file system, and a container on it ---- */

static void
write_root(struct play *p)
{
	AUTO_FREE char *command = xasprintf(
	    "cd %s && mkdir -p root/bin root/etc root/proc root/sys root/dev root/tmp "
	    "stores/one/iso && cp " BUSYBOX " root/bin/busybox && "
	    "for w in sh httpd sleep; do ln -sf busybox root/bin/$w; done && "
	    "echo hello > root/etc/motd && "
	    "tar -C root -cf stores/one/iso/root.tar .",
	    p->bed->dir);

	sh(command);
}

static void
set_words(char ***at, size_t *n, const char *const *words)
{
	while (words[*n])
		(*n)++;
	*at = xcalloc(*n + 1, sizeof(char *));
	for (size_t i = 0; i < *n; i++)
		(*at)[i] = xstrdup(words[i]);
}

static Drover__DiskSpec *
disk_of(const Drover__TemplateFacts *t)
{
	Drover__DiskSpec *d = xcalloc(1, sizeof(*d));

	drover__disk_spec__init(d);
	d->name = xstrdup("disk-0");
	d->datastore = 1;
	d->path = xstrdup("vms/vm-7/disk-0.ext4");
	d->format = xstrdup("ext4");
	d->size_bytes = 64 * MIB;
	d->backing = xcalloc(1 + t->n_layers, sizeof(Drover__DiskLayer *));
	for (size_t i = 0; i <= t->n_layers; i++) {
		Drover__DiskLayer *l = xcalloc(1, sizeof(*l));

		drover__disk_layer__init(l);
		l->path = xstrdup(i ? t->layers[i - 1]->path : t->path);
		l->format = xstrdup("ext4");
		d->backing[d->n_backing++] = l;
	}
	return d;
}

static Drover__NicSpec *
nic(void)
{
	Drover__NicSpec *c = xcalloc(1, sizeof(*c));

	drover__nic_spec__init(c);
	c->name = xstrdup("nic-0");
	c->mac = xstrdup(MAC);
	c->bridge = xstrdup("br0");
	c->address = xstrdup(ADDRESS "/24");
	c->gateway = xstrdup("10.77.0.1");
	return c;
}

static Drover__GuestSpec *
container_spec(const Drover__TemplateFacts *t)
{
	static const char *const args[] = { "/bin/sh", "-c", PROGRAM, NULL };
	Drover__GuestSpec *s = bed_spec(GUEST);

	free(s->engine);
	s->engine = xstrdup("oci");
	s->disks = xcalloc(1, sizeof(Drover__DiskSpec *));
	s->disks[s->n_disks++] = disk_of(t);
	s->nics = xcalloc(1, sizeof(Drover__NicSpec *));
	s->nics[s->n_nics++] = nic();
	s->container = xcalloc(1, sizeof(*s->container));
	drover__container_spec__init(s->container);
	set_words(&s->container->args, &s->container->n_args, args);
	s->container->stop_signal = xstrdup("SIGTERM");
	return s;
}

static Drover__GuestSpec *
import_root(struct play *p)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__TemplateImport t = DROVER__TEMPLATE_IMPORT__INIT;
	char path[] = "iso/root.tar", format[] = "tar";

	t.template_ = 1;
	t.datastore = 1;
	t.path = path;
	t.format = format;
	t.container = true;
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_IMPORT;
	o.template_import = &t;
	play_give(p, &o);
	return container_spec(p->reply->reply->template_);
}

/* ---- the world around it ---- */

struct bench {
	struct play *play;
	Drover__GuestSpec *spec;
	uint64_t generation;
};

/* What the agent takes for its runtime. */
static void
point_runtime_at(const char *program)
{
	AUTO_FREE char *path = xasprintf(RUNTIME, (int)getpid());

	unlink(path);
	if (program)
		assert_int_equal(symlink(program, path), 0);
}

static int
setup(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	AUTO_FREE char *conf =
	    xasprintf("[engine.qemu]\nenabled = no\n[cgroup]\nprefix = " PLAY_GROUP "\n"
		      "[engine.oci]\nruntime = " RUNTIME "\n",
		(int)getpid(), (int)getpid());

	point_runtime_at("/usr/sbin/runc");

	sh("ip link set lo up && ip link add br0 type bridge && "
	   "ip addr add 10.77.0.1/24 dev br0 && ip link set br0 up");
	b->play = play_new(conf);
	/* The ids of a container must be able to pass. */
	assert_int_equal(chmod(b->play->bed->dir, 0711), 0);
	assert_int_equal(
	    record_dir_make(bed_path(b->play->bed, "stores"), 0711, NULL), 0);
	play_run_agent(b->play);
	play_attach(b->play);
	write_root(b->play);
	b->spec = import_root(b->play);
	play_create(b->play, b->spec);
	*state = b;
	return 0;
}

/* Of a guest that is gone. */
static void
assert_nothing_left(const struct bench *b)
{
	AUTO_FREE char *command = xasprintf(
	    "! ip link show dvt7n0 2>/dev/null && "
	    "! losetup -a 2>/dev/null | grep -q %s/stores && "
	    "! find /sys/fs/cgroup -maxdepth 3 -path '*drover-test-%d/vm-7*' | grep -q . && "
	    "! grep -q %s/stores /proc/self/mounts",
	    b->play->bed->dir, (int)getpid(), b->play->bed->dir);

	sh(command);
	assert_false(bed_exists(bed_path(b->play->bed, PLAY_STORE "/vms/vm-7")));
	assert_false(bed_exists(bed_path(b->play->bed, "run/vm-7")));
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	if (b->play->agent > 0)
		play_end_agent(b->play, SIGKILL);
	play_run_agent(b->play);
	play_stop(b->play, GUEST, DROVER__STOP_MODE__STOP_KILL);
	play_delete(b->play, GUEST);
	assert_nothing_left(b);
	play_free(b->play);
	drover__guest_spec__free_unpacked(b->spec, NULL);
	free(b);
	point_runtime_at(NULL);
	sh("ip link del br0");
	return 0;
}

/* ---- what it does ---- */

static bool
ask(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timeval patience = { .tv_sec = 1 };
	static const char question[] = "GET /motd HTTP/1.0\r\n\r\n";
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[512] = "";
	size_t n = 0;
	ssize_t got = 1;

	assert_int_equal(inet_pton(AF_INET, ADDRESS, &to.sin_addr), 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    send(fd, question, strlen(question), MSG_NOSIGNAL) < 0)
		return false;
	while (got > 0 && n < sizeof(answer) - 1) {
		got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
		n += got > 0 ? (size_t)got : 0;
	}
	return strstr(answer, "hello") != NULL;
}

static void
answers(const struct bench *b)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (!ask()) {
		if (clock_mono_ms(clock_system()) > end)
			fail_msg("the container does not answer");
		loop_turn(b->play->loop, 20);
	}
}

static pid_t
start(struct bench *b)
{
	pid_t pid = play_start(b->play, b->spec, ++b->generation);

	answers(b);
	return pid;
}

/* It has, and whoever is its parent has been told. */
static void
await_end(const struct bench *b, pid_t pid)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (kill(pid, 0) == 0 || errno != ESRCH) {
		if (clock_mono_ms(clock_system()) > end)
			fail_msg("process %d is still there", (int)pid);
		loop_turn(b->play->loop, 5);
	}
}

static void
kill_agent(struct bench *b)
{
	play_end_agent(b->play, SIGKILL);
	play_run_agent(b->play);
}

static void
container_outlives_the_agent(void **state)
{
	struct bench *b = *state;
	struct play *p = b->play;
	pid_t pid = start(b);

	play_end_agent(p, SIGKILL);
	answers(b);
	/* Whatever became of the rules for its port, they are there again. */
	sh("nft delete table bridge drover 2>/dev/null; true");
	play_run_agent(p);
	if (!strcmp(p->hello->hello->facts->anti_spoof, "yes"))
		sh("nft list chain bridge drover dvt7n0 | grep -q " ADDRESS);
	assert_int_equal(p->hello->hello->n_guests, 1);
	assert_int_equal(
	    p->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_RUNNING);
	assert_int_equal(p->hello->hello->guests[0]->pid, pid);
	assert_int_equal(play_start(p, b->spec, b->generation), pid);

	play_pause(p, GUEST);
	kill_agent(b);
	assert_int_equal(
	    p->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_PAUSED);
	play_resume(p, GUEST);
	answers(b);

	play_stop(p, GUEST, DROVER__STOP_MODE__STOP_GRACEFUL);
	sh("! ip link show dvt7n0 2>/dev/null");
}

/* Its wires go with it, and come anew. */
static void
container_is_reset(void **state)
{
	struct bench *b = *state;
	pid_t pid = start(b);

	play_reset(b->play, GUEST);
	answers(b);
	assert_int_not_equal(b->play->reply->reply->guest->pid, pid);
	await_end(b, pid);
	play_stop(b->play, GUEST, DROVER__STOP_MODE__STOP_KILL);
}

static void
order_reset(struct bench *b)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestReset r = DROVER__GUEST_RESET__INIT;

	r.guest = GUEST;
	o.verb_case = DROVER__ORDER__VERB_GUEST_RESET;
	o.guest_reset = &r;
	play_give_up(b->play, &o);
}

static void
container_is_not_ended_for_a_broken_runtime(void **state)
{
	static const char *const broken[] = { NULL, "/bin/false" };
	struct bench *b = *state;
	struct play *p = b->play;

	start(b);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		unsigned replies = p->replies;

		point_runtime_at(broken[i]);
		order_reset(b);
		play_until(p, &p->replies, replies + 1);
		assert_non_null(p->reply->reply->fault);
		assert_non_null(strstr(p->reply->reply->fault->message, "runtime"));
		answers(b);
	}
	point_runtime_at("/usr/sbin/runc");
	play_reset(p, GUEST);
	answers(b);
}

static void
container_that_dies_is_told(void **state)
{
	struct bench *b = *state;
	struct play *p = b->play;
	unsigned events;
	pid_t pid = start(b);

	events = p->events;
	assert_int_equal(kill(pid, SIGKILL), 0);
	play_until(p, &p->events, events + 1);
	assert_string_equal(p->event->event->what, "died");
	pid = start(b);
	assert_int_equal(play_end_agent(p, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	await_end(b, pid);
	play_run_agent(p);
	assert_int_equal(
	    p->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_FAILED);
	start(b);
}

/* What it holds in memory is there when it goes on. */
static void
container_is_suspended(void **state)
{
	struct bench *b = *state;
	struct play *p = b->play;

	for (size_t i = 0; i < p->hello->hello->facts->n_engines; i++) {
		const Drover__EngineFacts *f = p->hello->hello->facts->engines[i];

		for (size_t k = 0; k < f->n_capabilities; k++) {
			if (strcmp(f->capabilities[k]->name, "suspend") != 0 ||
			    f->capabilities[k]->able)
				continue;
			print_message("skipped: %s\n", f->capabilities[k]->why_not);
			skip();
		}
	}
	start(b);
	play_suspend(p, GUEST);
	assert_true(bed_exists(bed_path(p->bed, PLAY_STORE "/vms/vm-7/memory.img")));
	kill_agent(b);
	assert_int_equal(
	    p->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_SUSPENDED);
	start(b);
	assert_false(bed_exists(bed_path(p->bed, PLAY_STORE "/vms/vm-7/memory.img")));
}

/* ---- the agent killed at each step ---- */

static void
run_with_crash(struct bench *b, const char *where)
{
	play_end_agent(b->play, SIGKILL);
	setenv("DROVER_CRASH_AT", where, 1);
	play_run_agent(b->play);
	unsetenv("DROVER_CRASH_AT");
}

static void
order_start(struct bench *b)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStart s = DROVER__GUEST_START__INIT;

	s.guest = GUEST;
	s.generation = ++b->generation;
	s.spec = b->spec;
	s.make_disks = true;
	o.verb_case = DROVER__ORDER__VERB_GUEST_START;
	o.guest_start = &s;
	play_give_up(b->play, &o);
}

static void
order_stop(struct bench *b)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStop s = DROVER__GUEST_STOP__INIT;

	s.guest = GUEST;
	s.mode = DROVER__STOP_MODE__STOP_GRACEFUL;
	s.timeout_ms = PATIENCE_MS;
	o.verb_case = DROVER__ORDER__VERB_GUEST_STOP;
	o.guest_stop = &s;
	play_give_up(b->play, &o);
}

/* Wherever the agent was killed, the next one knows where the guest stands. */
static void
is_whole(struct bench *b)
{
	Drover__GuestState at;

	play_run_agent(b->play);
	at = b->play->hello->hello->guests[0]->state;
	if (at == DROVER__GUEST_STATE__GUEST_RUNNING)
		answers(b);
	else
		start(b);
	play_stop(b->play, GUEST, DROVER__STOP_MODE__STOP_KILL);
}

static void
crash_at_each(struct bench *b, const char *verb, const char *const *steps,
    void (*give)(struct bench *b))
{
	static const char *const whens[] = { "before", "after" };

	for (size_t i = 0; steps[i / 2]; i++) {
		AUTO_FREE char *where =
		    xasprintf("agent.%s.%s.%s", verb, steps[i / 2], whens[i % 2]);

		if (give != order_start)
			start(b);
		run_with_crash(b, where);
		give(b);
		play_await_end(b->play);
		is_whole(b);
	}
}

static void
agent_killed_at_each_step(void **state)
{
	static const char *const starts[] = { "claim", "look", "find", "make", "disks",
		"group", "wires", "claimed", "boot", "started", NULL };
	static const char *const stops[] = { "stopping", "stop", "clear", "stopped",
		NULL };
	static const char *const resets[] = { "able", "restarting", "stop", "clear",
		"disks", "wires", "boot", "started", NULL };

	if (!FAULT_POINTS_BUILT)
		skip();
	crash_at_each(*state, "start", starts, order_start);
	crash_at_each(*state, "stop", stops, order_stop);
	crash_at_each(*state, "reset", resets, order_reset);
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BENCHED(container_outlives_the_agent),
		BENCHED(container_is_reset),
		BENCHED(container_is_not_ended_for_a_broken_runtime),
		BENCHED(container_that_dies_is_told),
		BENCHED(container_is_suspended),
		BENCHED(agent_killed_at_each_step),
	};

	if (geteuid() != 0 || access(BUSYBOX, X_OK) || access("/usr/sbin/runc", X_OK)) {
		puts("skipped: needs root, runc and busybox");
		return SKIPPED;
	}
	if (unshare(CLONE_NEWNET)) {
		printf("skipped: no network namespace: %s\n", strerror(errno));
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
