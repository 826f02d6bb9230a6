/*
 * server_conf: the settings of droverd, from one table (base/conf.h).
 */
#pragma once
#include <stddef.h>

#include "base/conf.h"

#define SERVER_CONF_PATH "/etc/drover/droverd.conf"

struct server_conf {
	char *database_conninfo, *database_migrations;
	uint64_t database_deadline_ms;
	char *listen_address, *agents_address;
	char *listen_public, *agents_public; /* host:port for others */
	uint64_t listen_port, agents_port, agents_report_ms, agents_beat_ms,
	    agents_forget_s;
	char *tls_cert, *tls_key, *tls_ca, *tls_ca_key;
	char *log_file, *log_level;
	char *web_root;
	uint64_t session_idle_min, session_max_h, session_max_logins;
	uint64_t event_keep_days;
	uint64_t drs_interval_s;
	uint64_t ha_guest_boot_s, ha_guest_idle_s;
	char *stats_dir, *stats_rrdcached;
	char *push_graphite, *push_graphite_prefix;
	char *push_influx, *push_influx_token_file, *push_influx_ca;
	uint64_t stats_interval_s, stats_write_s;
	char *power_hooks;
	char *alarm_scripts, *alarm_smtp_url, *alarm_smtp_from, *alarm_smtp_user,
	    *alarm_smtp_password_file, *alarm_ca;
	uint64_t alarm_deadline_s, alarm_script_s;
	uint64_t worker_threads;
};

extern const struct conf_key server_conf_keys[];

/* Where the settings come from, so that they can be read again. */
struct server_args {
	const char *config; /* NULL: the defaults */
	const char *const *sets;
	size_t n_sets;
};

/* The file, then the assignments, then what was left empty and can be found. */
int server_conf_read(
    const struct server_args *a, struct server_conf *c, struct err *e) WARN_UNUSED;
void server_conf_free(struct server_conf *c);
/* The files that are named can be read, TLS is complete. */
int server_conf_check(const struct server_conf *c, struct err *e) WARN_UNUSED;
