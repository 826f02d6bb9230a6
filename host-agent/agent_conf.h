/*
 * agent_conf: the settings of a host.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"

#define AGENT_CONF_PATH "/etc/drover/drover-agent.conf"

struct agent_conf {
	char *servers; /* list of host:port */
	uint64_t retry_max_ms;
	char *tls_cert, *tls_key, *tls_ca;
	char *state_dir, *run_dir;
	char *storage_roots; /* list */
	uint64_t host_memory_mb, host_cpus, host_cpu_mhz;
	bool qemu_enabled;
	char *qemu_accel, *qemu_binary, *qemu_img;
	uint64_t qemu_uid_base, qemu_gid;
	bool oci_enabled;
	char *oci_runtime, *oci_criu;
	uint64_t oci_id_base;
	char *guard_program;
	bool sim_enabled;
	char *sim_faults;
	char *bridges; /* list */
	bool anti_spoof;
	char *channel_address;
	uint64_t channel_port, channel_mb_per_s;
	char *cgroup_root, *cgroup_prefix;
	char *ha_watchdog;
	bool ha_reset_host;
	uint64_t report_ms;
	char *health_sources; /* list */
	char *health_test_file, *health_smartctl;
	uint64_t health_ms;
	char *log_level, *log_file;
};

extern const struct conf_key agent_conf_keys[];

/* What the table cannot say.  Everything is named as it is in the file. */
int agent_conf_check(const struct agent_conf *c, struct err *e) WARN_UNUSED;
void agent_conf_free(struct agent_conf *c);
