#include "host-agent/agent_conf.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/agent.h"
#include "host-agent/health/health.h"
#include "host-agent/link/uplink.h"

#define AT(field) offsetof(struct agent_conf, field)

const struct conf_key agent_conf_keys[] = {
	{ "server.address", CONF_LIST, AT(servers), 0, 1000, "", CONF_RESTART,
	    "where the server's agent port is, host:port; several are tried in turn" },
	{ "server.retry_max_ms", CONF_UINT, AT(retry_max_ms), UPLINK_BACKOFF_MIN_MS,
	    UPLINK_BACKOFF_MAX_MS, "30000", CONF_RESTART,
	    "longest wait between attempts to reach the server" },
	{ "tls.cert", CONF_PATH, AT(tls_cert), 1, 0, "/etc/drover/host.crt",
	    CONF_RESTART, "certificate of this host (drover-agent enroll writes it)" },
	{ "tls.key", CONF_PATH, AT(tls_key), 1, 0, "/etc/drover/host.key", CONF_RESTART,
	    "its key" },
	{ "tls.ca", CONF_PATH, AT(tls_ca), 1, 0, "/etc/drover/ca.crt", CONF_RESTART,
	    "certificate of the authority that server and hosts share" },
	{ "state.dir", CONF_PATH, AT(state_dir), 1, 200, "/var/lib/drover-agent",
	    CONF_RESTART, "guest book, journal and events: must survive a reboot" },
	{ "run.dir", CONF_PATH, AT(run_dir), 1, 60, "/run/drover-agent", CONF_RESTART,
	    "sockets, console rings and logs of running guests" },
	{ "storage.roots", CONF_LIST, AT(storage_roots), 0, 4000,
	    "/var/lib/drover/datastores", CONF_RESTART,
	    "folders that datastores may be in, whatever the server says" },
	{ "host.memory_mb", CONF_UINT, AT(host_memory_mb), 0, 16777216, "0",
	    CONF_RESTART,
	    "memory that guests may have; 0: all but 512 MB and a thirty-second" },
	{ "host.cpus", CONF_UINT, AT(host_cpus), 0, 4096, "0", CONF_RESTART,
	    "CPUs that guests may have; 0: all" },
	{ "host.cpu_mhz", CONF_UINT, AT(host_cpu_mhz), 0, 100000, "0", CONF_RESTART,
	    "speed of one CPU; 0: as the kernel says" },
	{ "engine.qemu.enabled", CONF_BOOL, AT(qemu_enabled), 0, 0, "yes", CONF_RESTART,
	    "run virtual machines with QEMU" },
	{ "engine.qemu.accel", CONF_TEXT, AT(qemu_accel), 3, 4, "auto", CONF_RESTART,
	    "auto, kvm or tcg" },
	{ "engine.qemu.binary", CONF_PATH, AT(qemu_binary), 0, 0, "", CONF_RESTART,
	    "the qemu-system program; empty: the one for this machine" },
	{ "engine.qemu.img_binary", CONF_PATH, AT(qemu_img), 0, 0, "/usr/bin/qemu-img",
	    CONF_RESTART, "the qemu-img program" },
	{ "engine.qemu.uid_base", CONF_UINT, AT(qemu_uid_base), 1, 4000000000,
	    "900000000", CONF_RESTART, "vm-N runs as this user id plus N" },
	{ "engine.qemu.gid", CONF_UINT, AT(qemu_gid), 1, 4000000000, "900000000",
	    CONF_RESTART, "and with this group id" },
	{ "engine.oci.enabled", CONF_BOOL, AT(oci_enabled), 0, 0, "yes", CONF_RESTART,
	    "run containers with an OCI runtime" },
	{ "engine.oci.runtime", CONF_PATH, AT(oci_runtime), 0, 0, "/usr/sbin/runc",
	    CONF_RESTART, "the runtime program: runc, or one that takes its arguments" },
	{ "engine.oci.criu", CONF_PATH, AT(oci_criu), 0, 0, "", CONF_RESTART,
	    "the criu program; empty: the machine's own, or the one beside Drover" },
	{ "engine.oci.id_base", CONF_UINT, AT(oci_id_base), 65536, 3221160000,
	    "1000000000", CONF_RESTART,
	    "container N has the 65536 user and group ids from here plus N times as many" },
	{ "guard.program", CONF_PATH, AT(guard_program), 0, 0, "", CONF_RESTART,
	    "the drover-guard program; empty: the one beside the agent" },
	{ "engine.sim.enabled", CONF_BOOL, AT(sim_enabled), 0, 0, "no", CONF_RESTART,
	    "also take guests that are only invented, for tests" },
	{ "engine.sim.faults", CONF_TEXT, AT(sim_faults), 0, 1000, "", CONF_RESTART,
	    "what goes wrong with them: verb:guest=fault, comma-separated" },
	{ "network.bridges", CONF_LIST, AT(bridges), 0, 4000, "", CONF_RESTART,
	    "bridges that guests may be on, whatever the server says; empty: any" },
	{ "network.anti_spoof", CONF_BOOL, AT(anti_spoof), 0, 0, "yes", CONF_RESTART,
	    "drop what a guest sends under another address than its own, where the "
	    "kernel can (nftables on bridges)" },
	{ "channel.address", CONF_TEXT, AT(channel_address), 0, 60, "", CONF_RESTART,
	    "IP address where other hosts bring what they send here; empty: all, and "
	    "they are told the one that leads to the server" },
	{ "channel.port", CONF_UINT, AT(channel_port), 0, 65535, "8445", CONF_RESTART,
	    "its port; 0: any free one" },
	{ "channel.mb_per_s", CONF_UINT, AT(channel_mb_per_s), 0, 1000000, "0",
	    CONF_RELOAD,
	    "MB a second that this host sends to others at most; 0: no limit" },
	{ "cgroup.root", CONF_PATH, AT(cgroup_root), 1, 0, "/sys/fs/cgroup",
	    CONF_RESTART, "where control groups are mounted" },
	{ "cgroup.prefix", CONF_TEXT, AT(cgroup_prefix), 1, 100, "drover", CONF_RESTART,
	    "group of this agent below it" },
	{ "ha.watchdog", CONF_PATH, AT(ha_watchdog), 1, 0, "/dev/watchdog",
	    CONF_RESTART,
	    "hardware that restarts this host when a guest cannot be ended in time; used "
	    "where the cluster's settings say so" },
	{ "ha.reset_host", CONF_BOOL, AT(ha_reset_host), 0, 0, "no", CONF_RESTART,
	    "restart this host at once when a guest whose lease is over cannot be ended; "
	    "off in labs, where hosts share a machine" },
	{ "report.interval_ms", CONF_UINT, AT(report_ms), 200, 60000, "5000",
	    CONF_RELOAD, "time between reports until the server asks for another" },
	{ "health.sources", CONF_LIST, AT(health_sources), 0, 100, HEALTH_SOURCES,
	    CONF_RESTART,
	    "who is asked whether hardware is failing: memory controllers (edac), arrays "
	    "of disks (md), sensors (hwmon), disks (smart); empty: nobody" },
	{ "health.interval_ms", CONF_UINT, AT(health_ms), HEALTH_MIN_MS, HEALTH_MAX_MS,
	    "30000", CONF_RESTART, "time between looks; disks are asked every 10 min" },
	{ "health.smartctl", CONF_PATH, AT(health_smartctl), 0, 0, "/usr/sbin/smartctl",
	    CONF_RESTART, "the smartctl program (package smartmontools)" },
	{ "health.test_file", CONF_PATH, AT(health_test_file), 0, 0, "", CONF_RESTART,
	    "a file that is believed as well, for tests: lines of component, moderate or "
	    "severe, and what is wrong; empty: none" },
	{ "log.level", CONF_TEXT, AT(log_level), 1, 10, "info", CONF_RELOAD,
	    "err, warn, notice, info or debug" },
	{ "log.file", CONF_PATH, AT(log_file), 0, 0, "", CONF_RELOAD,
	    "where to log; empty: standard error" },
	{ NULL },
};

static int
check_servers(const struct agent_conf *c, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(c->servers);
	char *rest = copy;

	if (!*copy)
		return err_set(e, ERR_INVALID, "server.address is not set");
	for (char *s; (s = strsep(&rest, ",")) != NULL;) {
		char *host = NULL;
		uint16_t port;

		s += strspn(s, " ");
		if (uplink_parse_server(s, &host, &port, e))
			return err_wrap(e, "server.address");
		free(host);
	}
	return 0;
}

static bool
is_group_name(const char *s)
{
	return *s != '/' && !strstr(s, "..") &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789._/-")] == '\0';
}

static bool
is_address(const char *s)
{
	struct in6_addr a;

	return inet_pton(AF_INET, s, &a) == 1 || inet_pton(AF_INET6, s, &a) == 1;
}

int
agent_conf_check(const struct agent_conf *c, struct err *e)
{
	enum log_level level;

	if (check_servers(c, e))
		return e->code;
	if (!str_same(c->qemu_accel, "auto") && !str_same(c->qemu_accel, "kvm") &&
	    !str_same(c->qemu_accel, "tcg"))
		return err_set(e, ERR_INVALID,
		    "engine.qemu.accel: \"%s\" is not auto, kvm or tcg", c->qemu_accel);
	if (!is_group_name(c->cgroup_prefix))
		return err_set(e, ERR_INVALID,
		    "cgroup.prefix: \"%s\" is no name of a control group",
		    c->cgroup_prefix);
	if (*c->channel_address && !is_address(c->channel_address))
		return err_set(e, ERR_INVALID,
		    "channel.address: \"%s\" is no IP address", c->channel_address);
	if (log_level_parse(c->log_level, &level, e))
		return err_wrap(e, "log.level");
	if (health_sources_check(c->health_sources, e))
		return err_wrap(e, "health.sources");
	if (!c->qemu_enabled && !c->oci_enabled && !c->sim_enabled)
		return err_set(e, ERR_INVALID, "no engine is enabled");
	return 0;
}

int
agent_conf_read(const struct agent_start *s, struct agent_conf *c, struct err *e)
{
	int rc = conf_load(agent_conf_keys, s->conf_path, c, e);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < s->n_sets; i++)
		rc = conf_set(agent_conf_keys, s->sets[i], c, e);
	if (!rc)
		rc = agent_conf_check(c, e);
	if (rc)
		agent_conf_free(c);
	return rc;
}

void
agent_conf_free(struct agent_conf *c)
{
	conf_free(agent_conf_keys, c);
}
