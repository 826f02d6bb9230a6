#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "host-agent/engine/engine.h"
#include "host-agent/engine/oci/oci_config.h"
#include "host-agent/engine/oci/oci_signal.h"
#include "tests/lib/borrow.h"

struct ct {
	Drover__GuestSpec spec;
	Drover__ContainerSpec container;
	Drover__DiskSpec disk, *disks[2];
	Drover__DiskLayer layer, *layers[ENGINE_LAYERS_MAX];
	char *words[1];
};

static void
make(struct ct *c)
{
	memset(c, 0, sizeof(*c));
	drover__guest_spec__init(&c->spec);
	drover__container_spec__init(&c->container);
	drover__disk_spec__init(&c->disk);
	drover__disk_layer__init(&c->layer);
	c->disk.name = borrow("disk-0");
	c->disk.format = borrow("ext4");
	c->layer.format = borrow("ext4");
	c->disks[0] = c->disks[1] = &c->disk;
	for (size_t i = 0; i < ENGINE_LAYERS_MAX; i++)
		c->layers[i] = &c->layer;
	c->disk.backing = c->layers;
	c->spec.name = borrow("ct");
	c->spec.disks = c->disks;
	c->spec.n_disks = 1;
	c->spec.num_cpu = 1;
	c->spec.memory_mb = 64;
	c->spec.container = &c->container;
}

static void
refused(const struct ct *c, const char *words)
{
	struct err e = ERR_INIT;

	assert_int_equal(oci_spec_check(&c->spec, &e), ERR_INVALID);
	if (!strstr(e.msg, words))
		fail_msg("\"%s\" says nothing of \"%s\"", e.msg, words);
}

static void
good_ones_are_taken(void **state)
{
	struct err e = ERR_INIT;
	struct ct c;

	make(&c);
	assert_int_equal(oci_spec_check(&c.spec, &e), 0);
	c.disk.n_backing = ENGINE_LAYERS_MAX - 1;
	assert_int_equal(oci_spec_check(&c.spec, &e), 0);
}

static void
bad_disks_are_refused(void **state)
{
	struct ct c;

	make(&c);
	c.spec.n_disks = 2;
	refused(&c, "one disk, not 2");
	make(&c);
	c.disk.format = borrow("qcow2");
	refused(&c, "disk-0: format \"qcow2\" is not ext4");
	make(&c);
	c.disk.n_backing = ENGINE_LAYERS_MAX;
	refused(&c, "32 layers are more than 31");
	make(&c);
	c.disk.n_backing = 2;
	c.layer.format = borrow("raw");
	refused(&c, "layer 2 is \"raw\"");
}

static void
every_reason_is_told(void **state)
{
	Drover__SeedSpec seed = DROVER__SEED_SPEC__INIT;
	struct ct c;

	make(&c);
	c.spec.seed = &seed;
	c.spec.num_cpu = 0;
	c.spec.container = NULL;
	refused(&c, "a machine");
	refused(&c, "no seed");
	refused(&c, "no CPU");
}

static void
bad_processes_are_refused(void **state)
{
	struct ct c;

	make(&c);
	c.container.stop_signal = borrow("SIGNONSENSE");
	refused(&c, "SIGNONSENSE");
	make(&c);
	c.container.cwd = borrow("tmp");
	refused(&c, "cwd");
	make(&c);
	c.container.uid = 65536;
	refused(&c, "uid");
	make(&c);
	c.words[0] = borrow("NOTHING");
	c.container.env = c.words;
	c.container.n_env = 1;
	refused(&c, "NAME=value");
	make(&c);
	c.words[0] = borrow("/dev/../etc/shadow");
	c.container.devices = c.words;
	c.container.n_devices = 1;
	refused(&c, "is no device");
}

static int
signo(const char *s)
{
	int n = -1;

	return oci_signal_parse(s, &n, NULL) ? -1 : n;
}

static void
signals_have_names(void **state)
{
	assert_int_equal(signo("SIGTERM"), SIGTERM);
	assert_int_equal(signo("TERM"), SIGTERM);
	assert_int_equal(signo("SIGRTMIN+3"), 37);
	assert_int_equal(signo("15"), 15);
	assert_int_equal(signo(""), -1);
	assert_int_equal(signo("0"), -1);
	assert_int_equal(signo("SIGRTMIN+99"), -1);
}

static void
inits_are_asked_in_their_own_way(void **state)
{
	struct ct c;

	make(&c);
	assert_int_equal(oci_stop_signal(&c.spec, "/lib/systemd/systemd"), 37);
	assert_int_equal(oci_stop_signal(&c.spec, "/bin/busybox"), SIGUSR2);
	assert_int_equal(oci_stop_signal(&c.spec, "/sbin/init"), SIGPWR);
	c.words[0] = borrow("/bin/busybox");
	c.container.args = c.words;
	c.container.n_args = 1;
	assert_int_equal(oci_stop_signal(&c.spec, "/bin/busybox"), SIGTERM);
	c.container.stop_signal = borrow("SIGQUIT");
	assert_int_equal(oci_stop_signal(&c.spec, "/bin/busybox"), SIGQUIT);
}

static void
host_names_are_made_fit(void **state)
{
	char buf[OCI_NAME_MAX];
	struct ct c;

	make(&c);
	c.spec.name = borrow("a, guest.");
	oci_host_name(&c.spec, buf);
	assert_string_equal(buf, "a-guest");
	c.spec.host_name = borrow("www.example.org");
	oci_host_name(&c.spec, buf);
	assert_string_equal(buf, "www.example.org");
	c.spec.host_name = borrow("\xc3\xa4");
	oci_host_name(&c.spec, buf);
	assert_string_equal(buf, "x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_are_taken),
		cmocka_unit_test(bad_disks_are_refused),
		cmocka_unit_test(every_reason_is_told),
		cmocka_unit_test(bad_processes_are_refused),
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(inits_are_asked_in_their_own_way),
		cmocka_unit_test(host_names_are_made_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
