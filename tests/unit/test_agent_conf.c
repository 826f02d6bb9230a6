#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/agent_conf.h"

static int
parse(const char *text, struct agent_conf *c, struct err *e)
{
	int rc = conf_parse(agent_conf_keys, text, strlen(text), "agent.conf", c, e);

	if (rc)
		return rc;
	rc = agent_conf_check(c, e);
	if (rc)
		agent_conf_free(c);
	return rc;
}

static void
whole_file(void **state)
{
	static const char text[] = "[report]\ninterval_ms = 1000\n"
				   "[server]\naddress = a:7001, [::1]:7002\n"
				   "[tls]\ncert = /x/host.crt\nkey = /x/host.key\n"
				   "[state]\ndir = /var/lib/x\n"
				   "[storage]\nroots = /srv/a, /srv/b\n"
				   "[host]\nmemory_mb = 4096\ncpus = 2\n"
				   "[engine.qemu]\nenabled = no\naccel = tcg\n"
				   "[engine.sim]\nenabled = yes\n"
				   "[network]\nbridges = br0,br1\n"
				   "[cgroup]\nprefix = drover/lab-h1\n"
				   "[log]\nlevel = debug\n";
	struct agent_conf c = { 0 };
	struct err e = ERR_INIT;

	if (parse(text, &c, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(c.report_ms, 1000);
	assert_int_equal(c.host_memory_mb, 4096);
	assert_false(c.qemu_enabled);
	assert_true(c.sim_enabled);
	assert_string_equal(c.tls_cert, "/x/host.crt");
	assert_string_equal(c.tls_ca, "/etc/drover/ca.crt");
	assert_non_null(strstr(c.storage_roots, "/srv/b"));
	agent_conf_free(&c);
}

static void
mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "server.address" },
		{ "[server]\naddress = nowhere\n", "server.address" },
		{ "[server]\naddress = a:1\nport = 7\n", "port" },
		{ "[server]\naddress = a:1\n[engine.qemu]\naccel = xen\n",
		    "engine.qemu.accel" },
		{ "[server]\naddress = a:1\n[cgroup]\nprefix = ../x\n",
		    "cgroup.prefix" },
		{ "[server]\naddress = a:1\n[cgroup]\nprefix = /x\n", "cgroup.prefix" },
		{ "[server]\naddress = a:1\n[log]\nlevel = loud\n", "log.level" },
		{ "[server]\naddress = a:1\n[engine.qemu]\nenabled = no\n"
		  "[engine.oci]\nenabled = no\n",
		    "no engine" },
		{ "[server]\naddress = a:1\n[host]\nmemory_mb = -1\n",
		    "host.memory_mb" },
		{ "[report]\ninterval_ms = 1\n[server]\naddress = a:1\n", "report" },
		{ "[server]\naddress = a:1\n[state]\ndir = relative\n", "state.dir" },
		{ "[server]\naddress = a:1\n[health]\nsources = md,ipmi\n",
		    "health.sources" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct agent_conf c = { 0 };
		struct err e = ERR_INIT;

		assert_int_equal(parse(rows[i].text, &c, &e), ERR_INVALID);
		if (!strstr(e.msg, rows[i].says))
			fail_msg("\"%s\" does not name %s", e.msg, rows[i].says);
	}
}

static void
defaults_are_in_range(void **state)
{
	struct agent_conf c = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(parse("[server]\naddress = a:1\n", &c, &e), 0);
	assert_int_equal(c.report_ms, 5000);
	assert_string_equal(c.cgroup_prefix, "drover");
	agent_conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(defaults_are_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
