#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/json_peek.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/tls.h"
#include "loop/worker.h"
#include "server/access/session.h"
#include "server/advice/advice.h"
#include "server/alarm/alarm.h"
#include "server/api/api.h"
#include "server/drs/drs.h"
#include "server/event/event_life.h"
#include "server/export/export.h"
#include "server/export/push.h"
#include "server/follower/follower.h"
#include "server/ha/ha.h"
#include "server/ha/ha_capacity.h"
#include "server/ha/ha_guest.h"
#include "server/ha/ha_proactive.h"
#include "server/hosts/hosts.h"
#include "server/inventory/inv_life.h"
#include "server/leader/leader_json.h"
#include "server/leader/roster.h"
#include "server/migrate/migrate.h"
#include "server/notify.h"
#include "server/ops/op_def.h"
#include "server/pools/pool_driver.h"
#include "server/server.h"
#include "server/session/visit.h"
#include "server/stats/stats.h"
#include "server/task/task.h"
#include "server/task/task_recover.h"
#include "server/template/template.h"

#define WORKER_QUEUE  256u
#define MS_PER_MINUTE 60000ULL
#define MS_PER_HOUR   3600000ULL

static const char *
text_or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static enum part_rc
database_start(struct server *s, struct err *e)
{
	s->db = db_pg_new(s->loop, s->conf.database_conninfo, s->name,
	    (uint32_t)s->conf.database_deadline_ms);
	return PART_READY;
}

static void
database_stop(struct server *s)
{
	db_free(MOVE(s->db));
}

static enum part_rc
workers_start(struct server *s, struct err *e)
{
	s->workers =
	    workers_new(s->loop, (unsigned)s->conf.worker_threads, WORKER_QUEUE);
	return PART_READY;
}

static void
workers_stop(struct server *s)
{
	workers_free(MOVE(s->workers));
}

static struct front_conf
front_conf_of(const struct server *s)
{
	return (struct front_conf){
		.address = text_or_null(s->conf.listen_address),
		.port = (uint16_t)s->conf.listen_port,
		.cert_path = s->conf.tls_cert,
		.key_path = s->conf.tls_key,
		.web_root = text_or_null(s->conf.web_root),
	};
}

static enum part_rc
follower_part_start(struct server *s, struct err *e)
{
	const struct tls_files files = {
		.cert = s->conf.tls_cert,
		.key = s->conf.tls_key,
		.ca = s->conf.tls_ca,
	};
	const struct front_conf front = front_conf_of(s);

	if (tls_server_ctx(&files, &s->agents_ctx, e) < 0)
		return PART_FAIL;
	const struct follower_opts o = {
		.loop = s->loop,
		.front = &front,
		.agents_ctx = s->agents_ctx,
		.agents_address = text_or_null(s->conf.agents_address),
		.agents_port = (uint16_t)s->conf.agents_port,
		.beat_ms = (uint32_t)s->conf.agents_beat_ms,
	};
	return follower_new(&o, &s->follower, e) < 0 ? PART_FAIL : PART_READY;
}

static void
follower_part_stop(struct server *s)
{
	follower_free(MOVE(s->follower));
	tls_ctx_free(MOVE(s->agents_ctx));
}

/* Nobody has to wait for the start of a server that follows. */
static void
on_leader_seen(void *arg)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);

	if (!s->follower)
		return;
	follower_note(s->follower, s->leader);
	if (leader_seen(s->leader)->epoch)
		notify("READY=1");
}

static void
on_leading(void *arg)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);

	/* It may have found no other before. */
	if (s->follower)
		follower_note(s->follower, s->leader);
	server_part_done(s, 0, NULL);
}

static void
on_lead_over(void *arg, int rc, const struct err *e)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	server_end(s, rc, e);
}

/* "host:port" where others reach what is served here, malloc'd; "" for a free port. */
static char *
public_address(const char *set, const char *listen, uint64_t port)
{
	char name[256] = "localhost";

	if (*set || port == 0)
		return xstrdup(set);
	if (*listen)
		return xasprintf(strchr(listen, ':') ? "[%s]:%llu" : "%s:%llu", listen,
		    (unsigned long long)port);
	(void)gethostname(name, sizeof(name) - 1);
	return xasprintf("%s:%llu", name, (unsigned long long)port);
}

static void
tell_servers(struct server *s)
{
	const char *const *list;
	size_t n = roster_agents(s->roster, &list);

	if (s->hosts)
		hosts_set_servers(s->hosts, list, n);
}

static void
on_servers_changed(void *arg)
{
	tell_servers(CAST_OBJ(server, arg, SERVER_MAGIC));
}

static void
announce(struct server *s, const struct leader_conf *leader)
{
	const struct roster_conf conf = {
		.name = leader->name,
		.api = leader->api,
		/* Somebody's who only looks at the database is no server. */
		.agents = s->extent == SERVER_WHOLE ? leader->agents : "",
		.version = DROVER_VERSION,
		.keep_s = (uint32_t)s->conf.agents_forget_s,
	};

	s->roster = roster_new(s->loop, s->db, &conf, on_servers_changed, s);
}

static enum part_rc
leader_part_start(struct server *s, struct err *e)
{
	AUTO_FREE char *api = public_address(
	    s->conf.listen_public, s->conf.listen_address, s->conf.listen_port);
	AUTO_FREE char *agents = public_address(
	    s->conf.agents_public, s->conf.agents_address, s->conf.agents_port);
	static const struct leader_hooks hooks = {
		.leading = on_leading,
		.over = on_lead_over,
		.seen = on_leader_seen,
	};
	const struct leader_conf conf = {
		.name = s->name,
		.migrations = s->conf.database_migrations,
		.patience = s->extent == SERVER_WHOLE ? LEADER_WAIT : LEADER_REFUSE,
		.api = api,
		.agents = agents,
	};
	if (!*s->conf.database_migrations) {
		err_set(e, ERR_INVALID,
		    "database.migrations is not set, and none are beside the program");
		return PART_FAIL;
	}
	s->leader = leader_new(s->loop, s->db, &conf, &hooks, s);
	announce(s, &conf);
	leader_start(s->leader);
	return PART_WAIT;
}

static void
leader_part_stop(struct server *s)
{
	roster_free(MOVE(s->roster));
	leader_free(MOVE(s->leader));
}

static enum part_rc
inventory_start(struct server *s, struct err *e)
{
	s->inv = inv_new(s->loop, s->db);
	inv_load(s->inv, server_part_done, s);
	return PART_WAIT;
}

static void
inventory_stop(struct server *s)
{
	inv_free(MOVE(s->inv));
}

static void
on_database_turn(void *arg)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	if (db_is_up(s->db))
		event_post(s->inv, EV_DATABASE_FOUND, OBJ_ID_NONE, NULL,
		    "The database is available again");
	else
		event_post(s->inv, EV_DATABASE_LOST, OBJ_ID_NONE, NULL,
		    "The database is %s", db_status(s->db));
}

static enum part_rc
events_start(struct server *s, struct err *e)
{
	s->events = events_new(s->inv);
	events_keep(s->events, (unsigned)s->conf.event_keep_days);
	events_load(s->events, server_part_done, s);
	db_watch(s->db, on_database_turn, s);
	return PART_WAIT;
}

static void
events_stop(struct server *s)
{
	db_unwatch(s->db, on_database_turn, s);
	events_free(MOVE(s->events));
}

static enum part_rc
access_start(struct server *s, struct err *e)
{
	const struct session_conf conf = {
		.idle_ms = s->conf.session_idle_min * MS_PER_MINUTE,
		.max_ms = s->conf.session_max_h * MS_PER_HOUR,
		.max_logins = (unsigned)s->conf.session_max_logins,
	};
	s->sessions = sessions_new(s->inv, s->workers, &conf);
	sessions_load(s->sessions, server_part_done, s);
	return PART_WAIT;
}

static void
access_stop(struct server *s)
{
	sessions_free(MOVE(s->sessions));
}

static enum part_rc
tasks_start(struct server *s, struct err *e)
{
	s->tasks = tasks_new(s->inv);
	return PART_READY;
}

static void
tasks_stop(struct server *s)
{
	tasks_free(MOVE(s->tasks));
}

static enum part_rc
hosts_start(struct server *s, struct err *e)
{
	const struct hosts_opts o = {
		.inv = s->inv,
		.tasks = s->tasks,
		.workers = s->workers,
		.epoch = leader_epoch(s->leader),
		.beat_ms = (uint32_t)s->conf.agents_beat_ms,
		.report_ms = (uint32_t)s->conf.agents_report_ms,
		.ca_cert_path = text_or_null(s->conf.tls_ca),
		.ca_key_path = text_or_null(s->conf.tls_ca_key),
	};
	if (hosts_new(&o, &s->hosts, e) < 0)
		return PART_FAIL;
	tell_servers(s);
	return PART_READY;
}

static void
hosts_stop(struct server *s)
{
	hosts_free(MOVE(s->hosts));
}

static enum part_rc
stats_start(struct server *s, struct err *e)
{
	AUTO_FREE char *address = public_address(
	    s->conf.listen_public, s->conf.listen_address, s->conf.listen_port);
	const struct stats_opts o = {
		.inv = s->inv,
		.hosts = s->hosts,
		.dir = s->conf.stats_dir,
		.daemon = s->conf.stats_rrdcached,
		.interval_ms = (uint32_t)s->conf.stats_interval_s * 1000,
		.write_s = (uint32_t)s->conf.stats_write_s,
		.name = address,
	};
	return stats_new(&o, &s->stats, e) < 0 ? PART_FAIL : PART_READY;
}

static void
stats_stop(struct server *s)
{
	stats_free(MOVE(s->stats));
}

static enum part_rc
visits_start(struct server *s, struct err *e)
{
	s->visits = visits_new(s->inv, s->hosts);
	return PART_READY;
}

static void
visits_stop(struct server *s)
{
	visits_free(MOVE(s->visits));
}

static enum part_rc
pools_start(struct server *s, struct err *e)
{
	s->pools = pool_driver_new(s->inv, s->hosts);
	return PART_READY;
}

static void
pools_stop(struct server *s)
{
	pool_driver_free(MOVE(s->pools));
}

static enum part_rc
advice_start(struct server *s, struct err *e)
{
	s->advice = advice_new(s->inv, s->hosts);
	return PART_READY;
}

static void
advice_stop(struct server *s)
{
	advice_free(MOVE(s->advice));
}

static enum part_rc
ops_start(struct server *s, struct err *e)
{
	const struct ops_opts o = {
		.inv = s->inv,
		.hosts = s->hosts,
		.advice = s->advice,
		.tasks = s->tasks,
		.workers = s->workers,
		.sessions = s->sessions,
		.power_hooks = s->conf.power_hooks,
	};
	ops_register(migrate_defs);
	template_register();
	drs_register();
	ha_register();
	ha_proactive_register();
	alarm_register();
	s->ops = ops_new(&o);
	return PART_READY;
}

static void
ops_stop(struct server *s)
{
	ops_free(MOVE(s->ops));
}

static enum part_rc
recovery_start(struct server *s, struct err *e)
{
	unsigned n = task_recover(s->tasks);
	if (n > 0)
		log_notice("server", "going on with %u unfinished tasks", n);
	return PART_READY;
}

static void
on_recalled(void *server)
{
	server_part_done(server, 0, NULL);
}

static enum part_rc
drs_start(struct server *s, struct err *e)
{
	const struct drs_opts o = {
		.inv = s->inv,
		.hosts = s->hosts,
		.tasks = s->tasks,
		.ops = s->ops,
		.workers = s->workers,
		.interval_ms = (uint32_t)s->conf.drs_interval_s * 1000,
	};
	s->drs = drs_new(&o);
	drs_recall(s->drs, on_recalled, s);
	return PART_WAIT;
}

static void
drs_stop(struct server *s)
{
	drs_free(MOVE(s->drs));
}

static uint64_t
lead_end_of(void *arg)
{
	const struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	return leader_lease_end_ms(s->leader);
}

static uint64_t
before_end_of(void *arg)
{
	const struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	return leader_before_end_ms(s->leader);
}

static enum part_rc
ha_start(struct server *s, struct err *e)
{
	const struct ha_opts o = {
		.inv = s->inv,
		.hosts = s->hosts,
		.advice = s->advice,
		.tasks = s->tasks,
		.ops = s->ops,
		.epoch = leader_epoch(s->leader),
		.lead_end_ms = lead_end_of,
		.before_end_ms = before_end_of,
		.arg = s,
	};
	s->ha = ha_new(&o);
	return PART_READY;
}

static void
ha_stop(struct server *s)
{
	ha_free(MOVE(s->ha));
}

static enum part_rc
capacity_start(struct server *s, struct err *e)
{
	const struct ha_capacity_opts o = {
		.inv = s->inv,
		.advice = s->advice,
		.workers = s->workers,
	};
	s->ha_capacity = ha_capacity_new(&o);
	return PART_READY;
}

static void
capacity_stop(struct server *s)
{
	ha_capacity_free(MOVE(s->ha_capacity));
}

static enum part_rc
proactive_start(struct server *s, struct err *e)
{
	const struct ha_proactive_opts o = {
		.inv = s->inv,
		.hosts = s->hosts,
		.ops = s->ops,
		.ha = s->ha,
	};
	s->ha_proactive = ha_proactive_new(&o);
	return PART_READY;
}

static void
proactive_stop(struct server *s)
{
	ha_proactive_free(MOVE(s->ha_proactive));
}

static enum part_rc
monitoring_start(struct server *s, struct err *e)
{
	const struct ha_guests_opts o = {
		.inv = s->inv,
		.hosts = s->hosts,
		.ops = s->ops,
		.visits = s->visits,
		.ask_io = ha_guest_ask_stats,
		.ask_from = s->stats,
		.times = { (uint32_t)s->conf.ha_guest_boot_s * 1000,
		    (uint32_t)s->conf.ha_guest_idle_s * 1000 },
	};
	s->ha_guests = ha_guests_new(&o);
	return PART_READY;
}

static void
monitoring_stop(struct server *s)
{
	ha_guests_free(MOVE(s->ha_guests));
}

static enum part_rc
alarms_start(struct server *s, struct err *e)
{
	const struct alarm_opts o = {
		.inv = s->inv,
		.stats = s->stats,
		.ops = s->ops,
		.smtp_url = s->conf.alarm_smtp_url,
		.smtp_from = s->conf.alarm_smtp_from,
		.smtp_user = s->conf.alarm_smtp_user,
		.smtp_password_file = s->conf.alarm_smtp_password_file,
		.scripts = s->conf.alarm_scripts,
		.ca_file = s->conf.alarm_ca,
		.deadline_ms = (uint32_t)s->conf.alarm_deadline_s * 1000,
		.script_ms = (uint32_t)s->conf.alarm_script_s * 1000,
	};
	s->alarms = alarms_new(&o);
	return PART_READY;
}

static void
alarms_stop(struct server *s)
{
	alarms_free(MOVE(s->alarms));
}

static enum part_rc
agents_start(struct server *s, struct err *e)
{
	follower_hand_over(s->follower, s->hosts);
	if (hosts_listen(s->hosts, text_or_null(s->conf.agents_address),
		(uint16_t)s->conf.agents_port, s->agents_ctx, e) < 0)
		return PART_FAIL;
	log_notice("server", "agents dial port %u", hosts_port(s->hosts));
	return PART_READY;
}

static uint64_t
epoch_of(void *arg)
{
	const struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	return leader_epoch(s->leader);
}

static enum part_rc
push_start(struct server *s, struct err *e)
{
	const struct push_opts o = {
		.inv = s->inv,
		.stats = s->stats,
		.graphite = s->conf.push_graphite,
		.graphite_prefix = s->conf.push_graphite_prefix,
		.influx = s->conf.push_influx,
		.influx_token_file = s->conf.push_influx_token_file,
		.influx_ca = s->conf.push_influx_ca,
	};
	return push_new(&o, &s->push, e) ? PART_FAIL : PART_READY;
}

static void
push_stop(struct server *s)
{
	push_free(MOVE(s->push));
}

static enum part_rc
export_start(struct server *s, struct err *e)
{
	const struct export_deps deps = {
		.inv = s->inv,
		.stats = s->stats,
		.hosts = s->hosts,
		.sessions = s->sessions,
		.ha = s->ha,
		.push = s->push,
		.epoch = epoch_of,
		.epoch_arg = s,
	};
	s->exporter = exporter_new(&deps);
	return PART_READY;
}

static void
export_stop(struct server *s)
{
	exporter_free(MOVE(s->exporter));
}

static json *
leader_of(void *arg)
{
	const struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	return leader_json(s->leader);
}

/* Of those that have led there are statistics, under an id. */
static void
name_object(const struct inv *inv, json *server)
{
	const char *address = json_peek_str(server, "address");
	const struct obj *o =
	    address ? inv_find(inv, OBJ_ID_NONE, KIND_SERVER, address) : NULL;
	char text[OBJ_ID_TEXT];

	if (o)
		json_set_str(server, "id", obj_id_text(o->id, text));
}

static json *
servers_of(void *arg)
{
	const struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	json *list = roster_json(s->roster, s->leader);

	for (size_t i = 0; i < json_count(list); i++)
		name_object(s->inv, json_at(list, i));
	return list;
}

static enum part_rc
api_start(struct server *s, struct err *e)
{
	const struct api_deps deps = {
		.loop = s->loop,
		.inv = s->inv,
		.db = s->db,
		.ops = s->ops,
		.hosts = s->hosts,
		.advice = s->advice,
		.tasks = s->tasks,
		.drs = s->drs,
		.ha = s->ha,
		.ha_capacity = s->ha_capacity,
		.sessions = s->sessions,
		.visits = s->visits,
		.stats = s->stats,
		.alarms = s->alarms,
		.exporter = s->exporter,
		.workers = s->workers,
		.epoch = epoch_of,
		.leader = leader_of,
		.servers = servers_of,
		.epoch_arg = s,
	};
	s->api = api_new(&deps);
	return PART_READY;
}

static void
api_stop(struct server *s)
{
	api_free(MOVE(s->api));
}

static enum part_rc
front_part_start(struct server *s, struct err *e)
{
	const struct front_conf conf = front_conf_of(s);

	follower_close_front(s->follower);
	if (front_start(s->loop, &conf, &api_front_events, s->api, &s->front, e) < 0)
		return PART_FAIL;
	api_set_front(s->api, s->front);
	return PART_READY;
}

static void
front_part_stop(struct server *s)
{
	front_free(MOVE(s->front));
}

/*
 * What waits for a worker still hears that it was dropped, so the workers end while
 * everybody stands; "workers" itself is for a start that failed half-way.
 */
static enum part_rc
jobs_start(struct server *s, struct err *e)
{
	return PART_READY;
}

static void
stats_jobs_stop(struct server *s)
{
	if (s->stats)
		stats_close(s->stats);
}

static void
alarm_jobs_stop(struct server *s)
{
	if (s->alarms)
		alarms_close(s->alarms);
}

const struct server_part server_parts[] = {
	{ "database", SERVER_INVENTORY, database_start, database_stop },
	{ "workers", SERVER_WHOLE, workers_start, workers_stop },
	{ "follower", SERVER_WHOLE, follower_part_start, follower_part_stop },
	{ "leader", SERVER_INVENTORY, leader_part_start, leader_part_stop },
	{ "inventory", SERVER_INVENTORY, inventory_start, inventory_stop },
	{ "events", SERVER_INVENTORY, events_start, events_stop },
	{ "access", SERVER_WHOLE, access_start, access_stop },
	{ "tasks", SERVER_WHOLE, tasks_start, tasks_stop },
	{ "hosts", SERVER_WHOLE, hosts_start, hosts_stop },
	{ "statistics", SERVER_WHOLE, stats_start, stats_stop },
	{ "visits", SERVER_WHOLE, visits_start, visits_stop },
	{ "pools", SERVER_WHOLE, pools_start, pools_stop },
	{ "advice", SERVER_WHOLE, advice_start, advice_stop },
	{ "operations", SERVER_WHOLE, ops_start, ops_stop },
	{ "recovery", SERVER_WHOLE, recovery_start, NULL },
	{ "drs", SERVER_WHOLE, drs_start, drs_stop },
	{ "ha", SERVER_WHOLE, ha_start, ha_stop },
	{ "capacity", SERVER_WHOLE, capacity_start, capacity_stop },
	{ "proactive", SERVER_WHOLE, proactive_start, proactive_stop },
	{ "monitoring", SERVER_WHOLE, monitoring_start, monitoring_stop },
	{ "alarms", SERVER_WHOLE, alarms_start, alarms_stop },
	{ "agents", SERVER_WHOLE, agents_start, NULL },
	{ "push", SERVER_WHOLE, push_start, push_stop },
	{ "export", SERVER_WHOLE, export_start, export_stop },
	{ "api", SERVER_WHOLE, api_start, api_stop },
	{ "front", SERVER_WHOLE, front_part_start, front_part_stop },
	{ "jobs", SERVER_WHOLE, jobs_start, workers_stop },
	{ "files of statistics", SERVER_WHOLE, jobs_start, stats_jobs_stop },
	{ "actions of alarms", SERVER_WHOLE, jobs_start, alarm_jobs_stop },
	{ NULL, SERVER_WHOLE, NULL, NULL },
};
