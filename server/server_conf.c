#include "server/server_conf.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define AT(field) offsetof(struct server_conf, field)

const struct conf_key server_conf_keys[] = {
	{ "database.conninfo", CONF_TEXT, AT(database_conninfo), 1, 4095,
	    "dbname=drover", CONF_RESTART,
	    "PostgreSQL's connection string, as libpq takes it" },
	{ "database.migrations", CONF_PATH, AT(database_migrations), 0, 0, "",
	    CONF_RESTART,
	    "folder of the schema's migrations; empty: beside the program" },
	{ "database.deadline_ms", CONF_UINT, AT(database_deadline_ms), 100, 60000,
	    "5000", CONF_RESTART,
	    "a request that waits longer for the database is refused" },
	{ "listen.address", CONF_TEXT, AT(listen_address), 0, 255, "", CONF_RESTART,
	    "where the API and the pages are served; empty: every address" },
	{ "listen.port", CONF_UINT, AT(listen_port), 0, 65535, "8443", CONF_RESTART,
	    "port of the API and the pages (HTTPS)" },
	{ "listen.public", CONF_TEXT, AT(listen_public), 0, 299, "", CONF_RESTART,
	    "host:port where people reach this server; empty: its address or host name" },
	{ "agents.address", CONF_TEXT, AT(agents_address), 0, 255, "", CONF_RESTART,
	    "where agents dial; empty: every address" },
	{ "agents.port", CONF_UINT, AT(agents_port), 0, 65535, "8444", CONF_RESTART,
	    "port where agents dial (mutual TLS)" },
	{ "agents.public", CONF_TEXT, AT(agents_public), 0, 299, "", CONF_RESTART,
	    "host:port where agents reach it; empty: its address or host name" },
	{ "agents.report_ms", CONF_UINT, AT(agents_report_ms), 200, 60000, "5000",
	    CONF_RESTART, "time between an agent's reports" },
	{ "agents.beat_ms", CONF_UINT, AT(agents_beat_ms), 200, 60000, "2000",
	    CONF_RESTART, "time between an agent's heartbeats" },
	{ "agents.forget_s", CONF_UINT, AT(agents_forget_s), 60, 31536000, "86400",
	    CONF_RESTART,
	    "seconds after which agents no longer dial a server that is gone" },
	{ "tls.cert", CONF_PATH, AT(tls_cert), 0, 0, "", CONF_RESTART,
	    "the server's certificate, PEM" },
	{ "tls.key", CONF_PATH, AT(tls_key), 0, 0, "", CONF_RESTART, "its key, PEM" },
	{ "tls.ca", CONF_PATH, AT(tls_ca), 0, 0, "", CONF_RESTART,
	    "the certificate of the authority that signs server and agents, PEM" },
	{ "tls.ca_key", CONF_PATH, AT(tls_ca_key), 0, 0, "", CONF_RESTART,
	    "its key, to enrol hosts with; empty: this server enrols none" },
	{ "log.file", CONF_PATH, AT(log_file), 0, 0, "", CONF_RELOAD,
	    "where to log; empty: standard error" },
	{ "log.level", CONF_TEXT, AT(log_level), 1, 16, "info", CONF_RELOAD,
	    "err, warn, notice, info or debug" },
	{ "web.root", CONF_PATH, AT(web_root), 0, 0, "", CONF_RESTART,
	    "folder of the pages; empty: beside the program" },
	{ "session.idle_min", CONF_UINT, AT(session_idle_min), 0, 10080, "15",
	    CONF_RESTART,
	    "minutes without a request after which a login ends; 0: never" },
	{ "session.max_h", CONF_UINT, AT(session_max_h), 1, 8760, "12", CONF_RESTART,
	    "hours after which a login ends in any case" },
	{ "session.max_logins", CONF_UINT, AT(session_max_logins), 1, 1000, "20",
	    CONF_RESTART, "logins of one user at the same time; the oldest ends" },
	{ "event.keep_days", CONF_UINT, AT(event_keep_days), 0, 36500, "365",
	    CONF_RELOAD, "days for which events are kept; 0: for ever" },
	{ "drs.interval_s", CONF_UINT, AT(drs_interval_s), 1, 3600, "60", CONF_RESTART,
	    "seconds between looks at how even a cluster is" },
	{ "ha.guest_boot_s", CONF_UINT, AT(ha_guest_boot_s), 1, 3600, "120",
	    CONF_RESTART,
	    "seconds after a start or a reset in which no guest is reset for silence" },
	{ "ha.guest_idle_s", CONF_UINT, AT(ha_guest_idle_s), 5, 3600, "120",
	    CONF_RESTART,
	    "a silent guest is reset only if it used no disk and sent nothing for so "
	    "many seconds; two samples of the statistics at least" },
	{ "power.hooks", CONF_PATH, AT(power_hooks), 0, 0, "/etc/drover/power",
	    CONF_RESTART,
	    "folder of the programs that may wake hosts and put them into standby" },
	{ "stats.dir", CONF_PATH, AT(stats_dir), 1, 200, "/var/lib/drover/stats",
	    CONF_RESTART, "folder of the statistics, a file for each object" },
	{ "stats.interval_s", CONF_UINT, AT(stats_interval_s), 1, 300, "20",
	    CONF_RESTART, "seconds between samples; a part of 300" },
	{ "stats.write_s", CONF_UINT, AT(stats_write_s), 1, 1800, "300", CONF_RESTART,
	    "seconds after which an object's samples are in its file" },
	{ "stats.rrdcached", CONF_TEXT, AT(stats_rrdcached), 0, 200, "", CONF_RESTART,
	    "where rrdcached listens, such as unix:/run/rrdcached.sock; empty: files "
	    "are written without it" },
	{ "push.graphite", CONF_TEXT, AT(push_graphite), 0, 299, "", CONF_RESTART,
	    "host:port of a Graphite that is told every sample; empty: none" },
	{ "push.graphite_prefix", CONF_TEXT, AT(push_graphite_prefix), 1, 99, "drover",
	    CONF_RESTART, "what its paths begin with" },
	{ "push.influx", CONF_TEXT, AT(push_influx), 0, 799, "", CONF_RESTART,
	    "URL of an InfluxDB that is told every sample, such as "
	    "https://influx.example.com:8086/api/v2/write?org=o&bucket=b; empty: none" },
	{ "push.influx_ca", CONF_PATH, AT(push_influx_ca), 0, 0, "", CONF_RESTART,
	    "file of who may sign its certificate; empty: whom the system trusts" },
	{ "push.influx_token_file", CONF_PATH, AT(push_influx_token_file), 0, 0, "",
	    CONF_RESTART, "file of the token that it wants; empty: none" },
	{ "alarm.smtp_url", CONF_TEXT, AT(alarm_smtp_url), 0, 299, "", CONF_RESTART,
	    "mail server of alarms, such as smtp://mail.example:25 or smtps://…; empty: "
	    "there is none" },
	{ "alarm.smtp_from", CONF_TEXT, AT(alarm_smtp_from), 0, 254, "", CONF_RESTART,
	    "address that their mails come from" },
	{ "alarm.smtp_user", CONF_TEXT, AT(alarm_smtp_user), 0, 254, "", CONF_RESTART,
	    "login at the mail server, over TLS alone; empty: without one" },
	{ "alarm.smtp_password_file", CONF_PATH, AT(alarm_smtp_password_file), 0, 0, "",
	    CONF_RESTART, "file whose first line is the password of that login" },
	{ "alarm.ca", CONF_PATH, AT(alarm_ca), 0, 0, "", CONF_RESTART,
	    "certificates that webhooks and the mail server are checked with, PEM; "
	    "empty: the system's" },
	{ "alarm.scripts", CONF_PATH, AT(alarm_scripts), 0, 0, "/etc/drover/alarm",
	    CONF_RESTART, "folder of the programs that alarms may run" },
	{ "alarm.deadline_s", CONF_UINT, AT(alarm_deadline_s), 1, 120, "10",
	    CONF_RESTART,
	    "seconds after which a receiver that does not answer is cut" },
	{ "alarm.script_s", CONF_UINT, AT(alarm_script_s), 1, 3600, "60", CONF_RESTART,
	    "seconds after which a script of an alarm is ended" },
	{ "worker.threads", CONF_UINT, AT(worker_threads), 1, 16, "2", CONF_RESTART,
	    "threads for hashing and other work that blocks" },
	{ NULL, 0, 0, 0, 0, NULL, 0, NULL },
};

/* The folder of the running program, without a slash at its end. */
static char *
program_folder(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return xstrdup("/nowhere");
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	return xstrdup(path);
}

/* Fill an empty path with the first candidate below the program's folder that exists.
 */
static void
find_beside(char **path, const char *const *candidates)
{
	if (*path && **path)
		return;
	AUTO_FREE char *folder = program_folder();
	for (; *candidates; candidates++) {
		char *full = xasprintf("%s/%s", folder, *candidates);
		if (access(full, R_OK) == 0) {
			free(*path);
			*path = full;
			return;
		}
		free(full);
	}
}

int
server_conf_read(const struct server_args *a, struct server_conf *c, struct err *e)
{
	/* As installed, which build trees imitate; or copied beside the program's
	 * folder. */
	static const char *const migrations[] = { "../share/drover/db/migrations",
		"../db/migrations", NULL };
	static const char *const pages[] = { "../share/drover/web", "../web", NULL };
	int rc = 0;
	*c = (struct server_conf){ 0 };
	if (a->config)
		rc = conf_load(server_conf_keys, a->config, c, e);
	else
		conf_defaults(server_conf_keys, c);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < a->n_sets && rc == 0; i++)
		rc = conf_set(server_conf_keys, a->sets[i], c, e);
	enum log_level level;
	if (rc == 0)
		rc = log_level_parse(c->log_level, &level, e);
	if (rc < 0) {
		server_conf_free(c);
		return rc;
	}
	find_beside(&c->database_migrations, migrations);
	find_beside(&c->web_root, pages);
	return 0;
}

void
server_conf_free(struct server_conf *c)
{
	conf_free(server_conf_keys, c);
}

int
server_conf_check(const struct server_conf *c, struct err *e)
{
	const struct {
		const char *key, *path;
		bool required;
	} files[] = {
		{ "tls.cert", c->tls_cert, true },
		{ "tls.key", c->tls_key, true },
		{ "tls.ca", c->tls_ca, true },
		{ "tls.ca_key", c->tls_ca_key, false },
		{ "database.migrations", c->database_migrations, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		bool is_set = files[i].path && *files[i].path;
		if (!is_set && files[i].required)
			return err_set(e, ERR_INVALID, "%s is not set", files[i].key);
		if (is_set && access(files[i].path, R_OK) < 0)
			return err_sys(e, ERR_INVALID, errno, "%s: cannot read %s",
			    files[i].key, files[i].path);
	}
	return 0;
}
