#include "tests/engine/suite.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host-agent/engine/engine_int.h"
#include "host-agent/engine/engine_kind.h"
#include "tests/engine/ct_image.h"
#include "tests/lib/borrow.h"

#define DISK_BYTES (16 << 20)
#define TURN_MS    50
#define UNPLUG_MS  1000
#define IDS_FROM   1000000000u

/* One verb on its way. */
struct suite_running {
	struct suite_guest *sg;
	struct suite *suite;
	suite_verb verb;
	bool ended;
	int rc;
	struct err err;
};

static enum flow_rc
verb_start(struct flow *f, void *arg)
{
	struct suite_running *r = arg;

	if (r->sg)
		r->verb(r->sg, flow_wake(f));
	else
		engine_probe(r->suite->engine, flow_wake(f));
	return FLOW_WAIT;
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct suite_running *r = owner;

	r->ended = true;
	r->rc = rc;
	if (rc)
		r->err = *e;
}

static const struct flow_step verb_steps[] = {
	{ "verb", verb_start, NULL, NULL, SUITE_WAIT_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

void
suite_await(struct suite *s, bool (*is_so)(void *arg), void *arg)
{
	uint64_t until = clock_mono_ms(clock_system()) + SUITE_WAIT_MS;

	while (!is_so(arg)) {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(s->loop, TURN_MS);
	}
}

static bool
has_ended(void *arg)
{
	return ((struct suite_running *)arg)->ended;
}

static void
begin(struct suite_running *r)
{
	static const struct flow_hooks hooks = { .ended = on_ended };

	flow_start(flow_new(r->suite->flows, "suite verb", verb_steps, r, &hooks, r));
}

static int
run(struct suite_running *r, struct err *e)
{
	begin(r);
	suite_await(r->suite, has_ended, r);
	if (e)
		*e = r->err;
	return r->rc;
}

int
suite_run(struct suite_guest *sg, suite_verb verb, struct err *e)
{
	struct suite_running r = { .sg = sg, .suite = sg->suite, .verb = verb };

	return run(&r, e);
}

struct suite_running *
suite_begin(struct suite_guest *sg, suite_verb verb)
{
	struct suite_running *r = xcalloc(1, sizeof(*r));

	r->sg = sg;
	r->suite = sg->suite;
	r->verb = verb;
	begin(r);
	return r;
}

int
suite_end(struct suite_running *r, struct err *e)
{
	int rc;

	suite_await(r->suite, has_ended, r);
	rc = r->rc;
	*e = r->err;
	free(r);
	return rc;
}

bool
suite_has_ended(const struct suite_running *r)
{
	return r->ended;
}

static bool
has_events(void *arg)
{
	const unsigned *want = ((void **)arg)[1];

	return ((struct suite *)((void **)arg)[0])->n_events >= *want;
}

void
suite_await_events(struct suite *s, unsigned n)
{
	void *arg[2] = { s, &n };

	suite_await(s, has_events, arg);
}

static void
on_event(struct engine_guest *g, const struct engine_event *ev, void *arg)
{
	struct suite *s = arg;
	struct suite_event *to = &s->events[s->n_events];

	assert_true(s->n_events < SUITE_EVENTS);
	s->n_events++;
	to->kind = ev->kind;
	snprintf(to->reason, sizeof(to->reason), "%s", ev->reason);
}

uint64_t suite_guard_until_us;

static char *sim_script;

static struct engine *
make_oci(struct suite *s)
{
	AUTO_FREE char *dir = xasprintf("%s/oci", s->dir);
	const struct engine_oci_conf oc = {
		.runtime = getenv("DROVER_RUNTIME"),
		.stage = STAGE_PROGRAM,
		.guard = s->guard,
		.state_dir = dir,
		.id_base = IDS_FROM,
	};

	return engine_oci_new(s->loop, s->flows, &oc);
}

static void
make_engine(struct suite *s)
{
	struct engine_qemu_conf qc = {
		.uid_base = SUITE_UID,
		.gid = SUITE_GID,
		.unplug_ms = UNPLUG_MS,
		.guard = s->guard,
	};
	struct engine_sim_conf sc = { .seed = 1,
		.start_ms = 20,
		.stop_ms = 200,
		.faults = sim_script,
		.state_dir = s->dir };
	struct suite_running r = { .suite = s };
	struct err e = ERR_INIT;

	s->loop = loop_new(clock_system());
	s->flows = flows_new(s->loop);
	if (s->kind == SUITE_QEMU)
		s->engine = engine_qemu_new(s->loop, s->flows, &qc);
	else if (s->kind == SUITE_OCI)
		s->engine = make_oci(s);
	else
		assert_int_equal(engine_sim_new(s->loop, &sc, &s->engine, &e), 0);
	assert_int_equal(run(&r, &e), 0);
	if (!engine_facts(s->engine)->usable)
		fail_msg("engine: %s", engine_facts(s->engine)->why_not);
}

static void
drop_engine(struct suite *s)
{
	flows_free(s->flows);
	engine_free(s->engine);
	loop_free(s->loop);
}

static void
make_layer(const struct suite *s)
{
	AUTO_FREE char *path = xasprintf("%s/layer", s->dir);

	ct_image_layer(path);
}

struct suite *
suite_new(enum suite_kind kind, const char *sim_faults)
{
	struct suite *s = xcalloc(1, sizeof(*s));

	s->kind = kind;
	s->guard = GUARD_PROGRAM;
	snprintf(s->dir, sizeof(s->dir), "/tmp/drover-engine-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	/* The guests' own user must be able to enter its working folder only; a
	 * container's ids look up what is in theirs. */
	chmod(s->dir, kind == SUITE_OCI ? 0711 : 0700);
	snprintf(s->group, sizeof(s->group), "drover-suite-%d", (int)getpid());
	if (kind == SUITE_OCI)
		make_layer(s);
	sim_script = xstrdup(sim_faults);
	make_engine(s);
	return s;
}

void
suite_restart(struct suite *s)
{
	drop_engine(s);
	make_engine(s);
}

static void
remove_tree(const char *dir)
{
	AUTO_FREE char *command = xasprintf("rm -rf -- '%s'", dir);

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
}

/* Left by the runtime in hierarchies that nobody else has groups in. */
static void
remove_groups(const struct suite *s)
{
	AUTO_FREE char *command =
	    xasprintf("for d in /sys/fs/cgroup/%s /sys/fs/cgroup/*/%s; do "
		      "[ ! -d $d ] || find $d -depth -type d -exec rmdir {} +; done",
		s->group, s->group);

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
}

static void
remember(struct suite *s, struct suite_guest *was, struct suite_guest *is)
{
	for (size_t i = 0; i < SUITE_GUESTS; i++) {
		if (s->guests[i] != was)
			continue;
		s->guests[i] = is;
		return;
	}
	fail_msg("more than %d guests", SUITE_GUESTS);
}

static void
end_left_over(struct suite *s, struct suite_guest *sg)
{
	pid_t pid = engine_guest_stat(sg->g)->pid;

	if (s->kind != SUITE_SIM && pid > 0)
		kill(pid, SIGKILL);
	engine_guest_free(sg->g);
	free(sg);
}

void
suite_free(struct suite *s)
{
	for (size_t i = 0; i < SUITE_GUESTS; i++)
		if (s->guests[i])
			end_left_over(s, s->guests[i]);
	drop_engine(s);
	if (s->kind == SUITE_OCI)
		remove_groups(s);
	remove_tree(s->dir);
	free(sim_script);
	sim_script = NULL;
	free(s);
}

static void
make_disk(const char *path, const void *boot)
{
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
	if (boot)
		assert_int_equal(pwrite(fd, boot, 512, 0), 512);
}

void
suite_guest_script(struct suite_guest *sg, const char *script)
{
	static const char *const words[] = { "/bin/sh", "-c" };

	sg->container.n_args = 0;
	for (size_t i = 0; script && i < ARRAY_SIZE(words); i++)
		sg->args[sg->container.n_args++] = borrow(words[i]);
	if (script)
		sg->args[sg->container.n_args++] = borrow(script);
	sg->container.args = sg->args;
}

static void
make_container(struct suite_guest *sg)
{
	const struct suite *s = sg->suite;

	ct_image_own(sg->disk_path, NULL);
	drover__container_spec__init(&sg->container);
	suite_guest_script(sg, "while :; do sleep 1000; done");
	sg->spec.container = &sg->container;
	sg->disk.format = borrow("ext4");
	snprintf(sg->layer_path, sizeof(sg->layer_path), "%s/layer", s->dir);
	sg->layer.path = sg->layer_path;
	sg->layer.format = borrow("ext4");
	sg->disk.n_backing = 1;
	snprintf(
	    sg->cgroup, sizeof(sg->cgroup), "%s/vm-%" PRIu64, s->group, sg->number);
}

void
suite_guest_handle(struct suite_guest *sg)
{
	sg->g = engine_guest_new(
	    sg->suite->engine, sg->number, sg->dir, on_event, sg->suite);
}

struct suite_guest *
suite_guest_new(struct suite *s, uint64_t number, const char *folder, const void *boot)
{
	struct suite_guest *sg = xcalloc(1, sizeof(*sg));

	sg->suite = s;
	sg->number = number;
	snprintf(sg->dir, sizeof(sg->dir), "%s/run/vm-%" PRIu64, s->dir, number);
	snprintf(sg->disk_path, sizeof(sg->disk_path), "%s/vm-%" PRIu64 ".raw",
	    folder ? folder : s->dir, number);
	snprintf(sg->uuid, sizeof(sg->uuid), "6e9bd5ae-0000-4000-8000-%012" PRIx64,
	    (uint64_t)getpid() << 16 | number);
	if (s->kind != SUITE_OCI)
		make_disk(sg->disk_path, boot);
	drover__guest_spec__init(&sg->spec);
	drover__disk_spec__init(&sg->disk);
	drover__disk_layer__init(&sg->layer);
	sg->layers[0] = &sg->layer;
	sg->disk.backing = sg->layers;
	sg->disk.name = borrow("disk-0");
	sg->disk.format = borrow("raw");
	sg->disks[0] = &sg->disk;
	sg->spec.guest = number;
	sg->spec.uuid = sg->uuid;
	sg->spec.name = borrow("a, guest");
	sg->spec.num_cpu = 1;
	sg->spec.memory_mb = 64;
	sg->spec.n_disks = 1;
	sg->spec.disks = sg->disks;
	sg->tap = -1;
	sg->guard_until_us = suite_guard_until_us;
	if (s->kind == SUITE_OCI)
		make_container(sg);
	suite_guest_handle(sg);
	remember(s, NULL, sg);
	return sg;
}

void
suite_guest_wire(struct suite_guest *sg)
{
	drover__nic_spec__init(&sg->nic);
	sg->nic.mac = borrow(SUITE_MAC);
	sg->nic.address = borrow("10.77.0.17/24");
	sg->nics[0] = &sg->nic;
	sg->spec.nics = sg->nics;
	sg->spec.n_nics = 1;
}

void
suite_guest_free(struct suite_guest *sg)
{
	struct err e = ERR_INIT;

	if (suite_run(sg, verb_kill, &e))
		fail_msg("kill: %s", e.msg);
	remember(sg->suite, sg, NULL);
	engine_guest_free(sg->g);
	free(sg);
}

void
suite_guest_second(struct suite_guest *sg)
{
	snprintf(sg->second_path, sizeof(sg->second_path), "%s/vm-%" PRIu64 "-2.raw",
	    sg->suite->dir, sg->number);
	make_disk(sg->second_path, NULL);
	drover__disk_spec__init(&sg->second);
	sg->second.name = borrow("disk-2");
	sg->second.format = borrow("raw");
	sg->second.size_bytes = DISK_BYTES;
	sg->disks[1] = &sg->second;
}

void
suite_open_second(const struct suite_guest *sg, struct engine_disk *ret_d)
{
	*ret_d =
	    (struct engine_disk){ .fd = open(sg->second_path, O_RDWR | O_CLOEXEC) };
	assert_true(ret_d->fd >= 0);
}

static int start_memory_fd = -1;

void
suite_boot(struct suite_guest *sg, suite_boot_fn fn, struct wake w)
{
	AUTO_CLOSE int fd = open(sg->disk_path, O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int base =
	    sg->disk.n_backing ? open(sg->layer.path, O_RDONLY | O_CLOEXEC) : -1;
	struct engine_disk disks[2] = {
		{ .fd = fd, .backing_fds = { base }, .n_backing = sg->disk.n_backing }
	};
	struct engine_boot b = { .spec = &sg->spec,
		.disks = disks,
		.tap_fds = &sg->tap,
		.join_cgroups = sg->join_cgroups,
		.cgroup = *sg->cgroup ? sg->cgroup : NULL,
		.memory_fd = start_memory_fd,
		.seed_fd = -1,
		.guard_until_us = sg->guard_until_us };

	assert_true(fd >= 0);
	if (sg->suite->kind != SUITE_OCI)
		disks[0].direct = fcntl(fd, F_SETFL, O_DIRECT) == 0;
	if (sg->spec.n_disks == 2)
		suite_open_second(sg, &disks[1]);
	fn(sg, &b, w);
	if (sg->spec.n_disks == 2)
		close(disks[1].fd);
	if (sg->tap >= 0)
		close(sg->tap);
	sg->tap = -1;
}

static void
start_with(struct suite_guest *sg, const struct engine_boot *b, struct wake w)
{
	engine_start(sg->g, b, w);
}

void
suite_start_verb(struct suite_guest *sg, struct wake w)
{
	suite_boot(sg, start_with, w);
}

int
suite_start(struct suite_guest *sg, int memory_fd, struct err *e)
{
	int rc;

	start_memory_fd = memory_fd;
	rc = suite_run(sg, suite_start_verb, e);
	start_memory_fd = -1;
	return rc;
}

void
suite_must(struct suite_guest *sg, suite_verb verb)
{
	struct err e = ERR_INIT;

	if (suite_run(sg, verb, &e))
		fail_msg("verb: %s", e.msg);
}

void
suite_must_start(struct suite_guest *sg)
{
	struct err e = ERR_INIT;

	if (suite_start(sg, -1, &e))
		fail_msg("start: %s", e.msg);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
}

void
verb_kill(struct suite_guest *sg, struct wake w)
{
	engine_kill(sg->g, w);
}

void
verb_pause(struct suite_guest *sg, struct wake w)
{
	engine_pause(sg->g, w);
}

void
verb_resume(struct suite_guest *sg, struct wake w)
{
	engine_resume(sg->g, w);
}

void
verb_reset(struct suite_guest *sg, struct wake w)
{
	engine_reset(sg->g, w);
}

void
verb_query(struct suite_guest *sg, struct wake w)
{
	engine_query(sg->g, w);
}

void
verb_adopt(struct suite_guest *sg, struct wake w)
{
	engine_adopt(sg->g, &sg->spec, w);
}
