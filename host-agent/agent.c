#include "host-agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "host-agent/collect/collect.h"
#include "host-agent/freeze.h"
#include "host-agent/guest/guests.h"
#include "host-agent/health/health.h"
#include "host-agent/host_cert.h"
#include "host-agent/host_channel.h"
#include "host-agent/host_fence.h"
#include "host-agent/host_parts.h"
#include "host-agent/host_samples.h"
#include "host-agent/link/epoch.h"
#include "host-agent/link/inbox.h"
#include "host-agent/link/outbox.h"
#include "host-agent/link/progress.h"
#include "host-agent/link/uplink.h"
#include "host-agent/notify.h"
#include "host-agent/record/record.h"
#include "host-agent/resource/cg.h"
#include "host-agent/session/sess.h"
#include "host-agent/stores/stores.h"
#include "loop/child.h"
#include "loop/flow.h"
#include "loop/worker.h"
#include "proto/msg.h"

#define PROBE_MS      60000u
#define ADOPT_MS      90000u
#define SAVER_THREADS 1u
#define BLOCK_THREADS 2u
#define MAX_QUEUED    4096u

struct agent {
	const struct agent_start *start;
	struct agent_conf conf;
	struct loop *loop;
	struct flows *flows;
	struct workers *savers;   /* state.dir */
	struct workers *blockers; /* datastores, which may hang */
	int lock_fd;
	char boot_id[33];
	struct host_cert cert;
	struct host_channel to_hosts;
	struct host_fence leases;
	struct freeze *freeze;
	struct host_parts parts;
	struct disk_conf disk;
	char *book_dir;

	struct epoch *epoch;
	struct journal *journal;
	struct inbox *inbox;
	struct outbox *outbox;
	struct progress *progress;
	struct uplink *uplink;
	struct stores *stores;
	struct guests *guests;
	struct sess_set *sessions;
	struct health *health;
	struct collect *collect;
	struct host_samples samples;
	struct wake adopted;
};

/* ---- what modules tell each other ---- */

static void
reply_order(void *arg, struct order_name name, Drover__Reply *r_take)
{
	inbox_reply(((struct agent *)arg)->inbox, name, r_take);
}

static void
fail_order(void *arg, struct order_name name, const struct err *e)
{
	inbox_fail(((struct agent *)arg)->inbox, name, e);
}

static void
on_changed(void *arg)
{
	struct agent *a = arg;

	if (a->collect)
		collect_changed(a->collect);
	if (a->sessions)
		sess_guests_changed(a->sessions);
	if (a->leases.fence)
		fence_changed(a->leases.fence);
}

static void
on_guest_event(void *arg, const Drover__GuestEvent *ev)
{
	outbox_add(((struct agent *)arg)->outbox, ev);
}

static const char *
needed_by(void *arg, uint64_t datastore)
{
	return guests_on_datastore(((struct agent *)arg)->guests, datastore);
}

static void
on_stores_sampled(void *arg)
{
	guests_room_changed(((struct agent *)arg)->guests);
}

static void
send_envelope(struct agent *a, Drover__Envelope *m, const char *what)
{
	struct err e = ERR_INIT;

	if (uplink_send(a->uplink, m, &e))
		log_debug("agent", "%s not sent: %s", what, e.msg);
}

static void
send_reply(void *arg, const Drover__Reply *r)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Reply copy = *r;

	m.body_case = DROVER__ENVELOPE__BODY_REPLY;
	m.reply = &copy;
	send_envelope(arg, &m, "reply");
}

static void
send_event(void *arg, const Drover__GuestEvent *ev)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__GuestEvent copy = *ev;

	m.body_case = DROVER__ENVELOPE__BODY_EVENT;
	m.event = &copy;
	send_envelope(arg, &m, "event");
}

static void
send_report(void *arg, Drover__Report *r)
{
	struct agent *a = arg;
	struct order_name last = inbox_last(a->inbox);
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	r->last_order_task = last.task;
	r->last_order_step = last.step;
	progress_fill(a->progress, r);
	m.body_case = DROVER__ENVELOPE__BODY_REPORT;
	m.report = r;
	send_envelope(a, &m, "report");
}

static bool
is_linked(void *arg)
{
	const struct agent *a = arg;

	return a->uplink && uplink_state(a->uplink) == UPLINK_READY;
}

static Drover__Hello *
make_hello(void *arg)
{
	struct agent *a = arg;
	Drover__Hello *h = xcalloc(1, sizeof(*h));
	char own_host[LINK_HOST_TEXT];

	drover__hello__init(h);
	h->version_min = PROTO_VERSION_MIN;
	h->version_max = PROTO_VERSION;
	h->host_uuid = xstrdup(a->cert.now.id.uuid);
	h->boot_id = xstrdup(a->boot_id);
	h->epoch_seen = epoch_seen(a->epoch);
	h->facts = host_parts_facts(&a->parts);
	uplink_own_host(a->uplink, own_host);
	host_channel_facts(&a->to_hosts, own_host, h->facts);
	h->n_guests = guests_status(a->guests, &h->guests);
	h->n_datastores = stores_status(a->stores, &h->datastores);
	h->takes_watches = true;
	h->takes_servers = true;
	return h;
}

static void
on_welcome(void *arg, const Drover__Welcome *w)
{
	struct agent *a = arg;

	log_notice("agent", "welcome as host-%" PRIu64 " (%s)", w->host, w->host_name);
	collect_set_interval(a->collect, w->report_ms);
	stores_want(a->stores, w->datastores, w->n_datastores);
	outbox_resend(a->outbox);
	fence_link_up(a->leases.fence);
	collect_changed(a->collect);
	host_samples_welcome(&a->samples, w->stats_ms);
	renew_link_up(a->cert.renew, w->signs);
}

static void
on_order(void *arg, Drover__Envelope *m_take)
{
	inbox_order(((struct agent *)arg)->inbox, m_take);
}

static void
on_refused_order(void *arg, const Drover__Order *o, const struct err *why)
{
	inbox_refuse(((struct agent *)arg)->inbox, o, why);
}

static void
on_event_ack(void *arg, uint64_t id)
{
	outbox_ack(((struct agent *)arg)->outbox, id);
}

static void
on_session(void *arg, const Drover__Envelope *m)
{
	sess_message(((struct agent *)arg)->sessions, m);
}

static void
on_stat_ack(void *arg, const Drover__StatAck *k)
{
	sampler_ack(((struct agent *)arg)->samples.sampler, k);
}

static void
on_stat_watch(void *arg, const Drover__StatWatch *w)
{
	live_watch(((struct agent *)arg)->samples.live, w);
}

static void
on_link_down(void *arg)
{
	struct agent *a = arg;

	sess_link_down(a->sessions);
	host_samples_link_down(&a->samples);
	renew_link_down(a->cert.renew);
}

static void
on_lease(void *arg, const Drover__Envelope *m)
{
	fence_message(((struct agent *)arg)->leases.fence, m);
}

static void
on_cert_grant(void *arg, const Drover__CertGrant *g)
{
	renew_granted(((struct agent *)arg)->cert.renew, g);
}

static const struct uplink_events uplink_evs = {
	.hello = make_hello,
	.welcome = on_welcome,
	.order = on_order,
	.refuse = on_refused_order,
	.event_ack = on_event_ack,
	.session = on_session,
	.down = on_link_down,
	.lease = on_lease,
	.stat_ack = on_stat_ack,
	.stat_watch = on_stat_watch,
	.cert_grant = on_cert_grant,
};

static int
send_session(void *arg, Drover__Envelope *m, struct err *e)
{
	return uplink_send(((struct agent *)arg)->uplink, m, e);
}

struct wanted_guest {
	uint64_t number;
	bool known;
	struct engine_guest *handle;
};

static void
look_for(void *arg, const struct guest_view *v)
{
	struct wanted_guest *w = arg;

	if (v->guest != w->number)
		return;
	w->known = true;
	w->handle = v->handle;
}

static int
find_guest(void *arg, uint64_t guest, struct engine_guest **ret_g, struct err *e)
{
	struct wanted_guest w = { .number = guest };

	guests_each(((struct agent *)arg)->guests, look_for, &w);
	if (!w.known)
		return err_set(e, ERR_NOT_FOUND, "it is not on this host");
	if (!w.handle)
		return err_set(e, ERR_BAD_STATE, "it has not been started here");
	*ret_g = w.handle;
	return 0;
}

static int
dial(void *arg, const struct uplink_call *call, struct link **ret_k, struct err *e)
{
	struct agent *a = arg;
	const struct link_opts o = { 0 };

	return link_dial(a->loop, call->host, call->port, a->cert.tls, &o, call->ev,
	    call->ev_arg, ret_k, e);
}

/* ---- starting ---- */

static enum flow_rc
probe_start(struct flow *f, void *arg)
{
	struct agent *a = arg;
	struct wake parts[MAX_ENGINES];

	(void)flow_join(f, (unsigned)a->parts.n_engines, parts);
	for (size_t i = 0; i < a->parts.n_engines; i++)
		engine_probe(a->parts.engines[i], parts[i]);
	return FLOW_WAIT;
}

static enum flow_rc
probe_finish(struct flow *f, void *arg, int rc)
{
	struct agent *a = arg;

	if (rc)
		log_warn("agent", "probing the engines: %s", flow_err(f)->msg);
	for (size_t i = 0; i < a->parts.n_engines; i++) {
		const struct engine *en = a->parts.engines[i];
		const struct engine_facts *facts = engine_facts(en);

		if (facts->usable)
			log_notice("agent", "engine %s %s %s", engine_name(en),
			    facts->version, facts->accelerator);
		else
			log_warn("agent", "engine %s cannot be used: %s",
			    engine_name(en), facts->why_not);
	}
	return FLOW_NEXT;
}

static void
on_adopted(void *arg)
{
	struct agent *a = arg;

	post_wake(a->loop, a->adopted, 0, NULL);
}

static enum flow_rc
adopt_start(struct flow *f, void *arg)
{
	struct agent *a = arg;

	a->adopted = flow_wake(f);
	guests_adopt(a->guests, on_adopted, a);
	return FLOW_WAIT;
}

static enum flow_rc
adopt_finish(struct flow *f, void *arg, int rc)
{
	if (rc)
		log_err("agent", "some guests are not accounted for yet: %s",
		    flow_err(f)->msg);
	return FLOW_NEXT;
}

/* Only now: the greeting says what runs here, and leases are of that. */
static enum flow_rc
connect_start(struct flow *f, void *arg)
{
	struct agent *a = arg;

	fence_start(a->leases.fence);
	a->freeze = freeze_new(a->loop, a->leases.fence, a->conf.state_dir);
	collect_start(a->collect);
	health_start(a->health);
	uplink_start(a->uplink);
	notify_manager("READY=1");
	return FLOW_NEXT;
}

static const struct flow_step start_steps[] = {
	{ "probe", probe_start, probe_finish, NULL, PROBE_MS },
	{ "adopt", adopt_start, adopt_finish, NULL, ADOPT_MS },
	{ "connect", connect_start, NULL, NULL, 0 },
	{ NULL },
};

static char *
state_path(const struct agent *a, const char *name)
{
	return xasprintf("%s/%s", a->conf.state_dir, name);
}

/* Two agents on one state folder would each believe to be the only one. */
static int
take_lock(struct agent *a, struct err *e)
{
	AUTO_FREE char *path = state_path(a, "lock");

	a->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (a->lock_fd < 0)
		return err_sys(e, ERR_IO, errno, "opening %s", path);
	if (flock(a->lock_fd, LOCK_EX | LOCK_NB))
		return err_set(e, ERR_BUSY, "another agent uses %s", a->conf.state_dir);
	if (ftruncate(a->lock_fd, 0) || dprintf(a->lock_fd, "%d\n", getpid()) < 0)
		return err_sys(e, ERR_IO, errno, "writing %s", path);
	return 0;
}

static int
open_link(struct agent *a, struct err *e)
{
	AUTO_FREE char *epoch_path = state_path(a, "epoch");
	AUTO_FREE char *journal_path = state_path(a, "journal");
	AUTO_FREE char *outbox_path = state_path(a, "events");
	AUTO_FREE char *servers_path = state_path(a, "servers");
	const struct outbox_conf oc = { a->loop, a->savers, outbox_path, send_event,
		a };
	struct uplink_conf uc = {
		.servers = a->conf.servers,
		.list_path = servers_path,
		.savers = a->savers,
		.ev = &uplink_evs,
		.arg = a,
		.dial = dial,
		.retry_max_ms = a->conf.retry_max_ms,
	};

	rng_secret(&uc.seed, sizeof(uc.seed));
	if (epoch_open(epoch_path, &a->epoch, e) ||
	    journal_open(
		a->loop, a->savers, journal_path, JOURNAL_KEEP, &a->journal, e) ||
	    outbox_open(&oc, &a->outbox, e))
		return e->code;
	uc.epoch = a->epoch;
	return uplink_new(a->loop, &uc, &a->uplink, e);
}

static int
open_stores(struct agent *a, struct err *e)
{
	AUTO_FREE char *path = state_path(a, "datastores");
	const struct stores_ops ops = {
		.reply = reply_order,
		.fail = fail_order,
		.needed_by = needed_by,
		.changed = on_changed,
		.sampled = on_stores_sampled,
		.arg = a,
	};
	const struct stores_conf c = {
		.loop = a->loop,
		.workers = a->blockers,
		.savers = a->savers,
		.path = path,
		.roots = a->conf.storage_roots,
		.host_uuid = a->cert.now.id.uuid,
		.boot_id = a->boot_id,
		.disk = &a->disk,
		.progress = a->progress,
		.channel = a->to_hosts.channel,
		.channel_addresses = a->to_hosts.addresses,
		.n_channel_addresses = ARRAY_SIZE(a->to_hosts.addresses),
		.flows = a->flows,
	};

	a->disk = (struct disk_conf){
		.qemu_img = a->conf.qemu_img,
		.uid = (uint32_t)a->conf.qemu_uid_base,
		.gid = (uint32_t)a->conf.qemu_gid,
	};
	return stores_open(&c, &ops, &a->stores, e);
}

static int
open_guests(struct agent *a, struct err *e)
{
	const struct guests_ops ops = {
		.reply = reply_order,
		.fail = fail_order,
		.event = on_guest_event,
		.changed = on_changed,
		.arg = a,
	};
	const struct guests_env env = {
		.loop = a->loop,
		.flows = a->flows,
		.savers = a->savers,
		.blockers = a->blockers,
		.stores = a->stores,
		.engines = a->parts.engines,
		.n_engines = a->parts.n_engines,
		.cg = a->parts.cg,
		.nl = a->parts.nl,
		.channel = a->to_hosts.channel,
		.channel_addresses = a->to_hosts.addresses,
		.n_channel_addresses = ARRAY_SIZE(a->to_hosts.addresses),
		.progress = a->progress,
		.fence = a->leases.fence,
		.disk = &a->disk,
		.book_dir = a->book_dir,
		.run_dir = a->conf.run_dir,
		.bridges = a->conf.bridges,
	};

	return guests_open(&env, &ops, &a->guests, e);
}

static void
open_health(struct agent *a)
{
	const struct health_conf c = {
		.loop = a->loop,
		.root = "",
		.sources = a->conf.health_sources,
		.test_file = a->conf.health_test_file,
		.smartctl = a->conf.health_smartctl,
		.interval_ms = (uint32_t)a->conf.health_ms,
		.changed = on_changed,
		.arg = a,
	};

	a->health = health_new(&c);
}

static void
open_inbox_and_collect(struct agent *a)
{
	const struct inbox_handler handlers[INBOX_INBOX] = {
		[INBOX_GUESTS] = { guests_order, guests_cancel, a->guests },
		[INBOX_STORES] = { stores_order, stores_cancel, a->stores },
	};
	const struct collect_conf c = {
		.loop = a->loop,
		.guests = a->guests,
		.stores = a->stores,
		.health = a->health,
		.share = a->parts.share,
		.root = "",
		.report_ms = (uint32_t)a->conf.report_ms,
		.report = send_report,
		.wanted = is_linked,
		.arg = a,
	};

	const struct sess_conf sc = {
		.loop = a->loop,
		.workers = a->blockers,
		.find = find_guest,
		.send = send_session,
		.arg = a,
	};

	const struct look_conf look = {
		.loop = a->loop,
		.guests = a->guests,
		.share = a->parts.share,
		.root = "",
	};

	a->inbox = inbox_new(a->loop, a->journal, handlers, send_reply, a);
	a->sessions = sess_set_new(&sc);
	a->collect = collect_new(&c);
	host_samples_open(&a->samples, &look, a->uplink);
}

static int
open_files(struct agent *a, struct err *e)
{
	uint8_t boot[16];

	rng_secret(boot, sizeof(boot));
	hex_encode(boot, sizeof(boot), a->boot_id);
	a->book_dir = state_path(a, "guests");
	AUTO_FREE char *sim_dir = state_path(a, "sim");
	if (record_dir_make(a->conf.state_dir, 0700, e) ||
	    (a->conf.sim_enabled && record_dir_make(sim_dir, 0700, e)) ||
	    take_lock(a, e) || host_cert_open(&a->cert, &a->conf, e))
		return e->code;
	return 0;
}

static int
open_all(struct agent *a, struct err *e)
{
	if (open_files(a, e) ||
	    host_parts_init(
		&a->parts, a->loop, a->flows, &a->conf, a->conf.cgroup_prefix, e) ||
	    open_link(a, e))
		return e->code;
	a->progress = progress_new(a->loop, on_changed, a);
	host_channel_open(&a->to_hosts, a->loop, &a->conf);
	if (open_stores(a, e))
		return e->code;
	a->leases.stores = a->stores;
	a->leases.uplink = a->uplink;
	if (host_fence_open(&a->leases, a->loop, a->savers, &a->conf, e) ||
	    open_guests(a, e))
		return e->code;
	a->leases.guests = a->guests;
	open_health(a);
	open_inbox_and_collect(a);
	a->cert.uplink = a->uplink;
	a->cert.to_hosts = &a->to_hosts;
	host_cert_start(&a->cert, a->loop, a->savers);
	return 0;
}

/* Modules first, so that no job's end finds them; then the workers, then what jobs
 * read. */
static void
close_all(struct agent *a)
{
	health_free(MOVE(a->health));
	uplink_free(a->uplink);
	host_cert_fini(&a->cert);
	sess_set_free(MOVE(a->sessions));
	host_samples_fini(&a->samples);
	collect_free(a->collect);
	guests_free(a->guests);
	flows_free(a->flows);
	freeze_free(a->freeze);
	host_fence_fini(&a->leases);
	stores_free(a->stores);
	host_channel_fini(&a->to_hosts);
	progress_free(a->progress);
	outbox_free(a->outbox);
	journal_free(a->journal);
	workers_free(a->blockers);
	workers_free(a->savers);
	inbox_free(a->inbox);
	epoch_free(a->epoch);
	/* Goes only if no guest is in it. */
	if (a->parts.cg && !cg_remove_base(a->parts.cg, NULL))
		log_debug("agent", "control group %s removed", a->conf.cgroup_prefix);
	host_parts_fini(&a->parts);
	loop_free(a->loop);
	if (a->lock_fd >= 0)
		close(a->lock_fd);
	free(a->book_dir);
	agent_conf_free(&a->conf);
}

/* ---- signals ---- */

static void
on_stop(void *arg)
{
	struct agent *a = arg;

	log_notice(
	    "agent", "stopping; %zu guests stay as they are", guests_count(a->guests));
	notify_manager("STOPPING=1");
	loop_stop(a->loop);
}

static int
apply_log(const struct agent_conf *c, struct err *e)
{
	enum log_level level;

	if (log_level_parse(c->log_level, &level, e))
		return e->code;
	log_set_level(level);
	return log_to_file(*c->log_file ? c->log_file : NULL, e);
}

static void
on_restart_key(const char *name, void *arg)
{
	log_warn("agent", "%s changed: that takes effect with the next start", name);
}

static void
on_reload(void *arg)
{
	struct agent *a = arg;
	struct agent_conf fresh = { 0 };
	struct err e = ERR_INIT;

	if (agent_conf_read(a->start, &fresh, &e)) {
		log_err("agent", "settings not read anew: %s", e.msg);
		return;
	}
	conf_reload(agent_conf_keys, &a->conf, &fresh, on_restart_key, NULL);
	agent_conf_free(&fresh);
	if (apply_log(&a->conf, &e))
		log_err("agent", "log not reopened: %s", e.msg);
	if (host_cert_reload(&a->cert, &e))
		log_err("agent", "certificates not read anew: %s", e.msg);
	else
		log_notice("agent", "settings and certificates read anew");
}

static int
watch_signals(struct agent *a, struct err *e)
{
	if (loop_on_signal(a->loop, SIGTERM, on_stop, a, e) ||
	    loop_on_signal(a->loop, SIGINT, on_stop, a, e) ||
	    loop_on_signal(a->loop, SIGHUP, on_reload, a, e))
		return e->code;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* until freeze_new */
	return 0;
}

int
agent_run(const struct agent_start *s, struct agent_conf *c_take, struct err *e)
{
	struct agent a = { .start = s, .conf = *c_take, .lock_fd = -1 };
	struct err why = ERR_INIT;
	int rc;

	memset(c_take, 0, sizeof(*c_take));
	a.loop = loop_new(clock_system());
	a.flows = flows_new(a.loop);
	a.savers = workers_new(a.loop, SAVER_THREADS, MAX_QUEUED);
	a.blockers = workers_new(a.loop, BLOCK_THREADS, MAX_QUEUED);
	rc = apply_log(&a.conf, &why);
	if (!rc)
		rc = child_adopt_orphans(a.loop, &why);
	if (!rc)
		rc = open_all(&a, &why);
	if (!rc)
		rc = watch_signals(&a, &why);
	if (!rc) {
		log_notice("agent", "drover-agent " DROVER_VERSION " for host %s",
		    a.cert.now.id.uuid);
		flow_start(flow_new(a.flows, "start", start_steps, &a, NULL, NULL));
		loop_run(a.loop);
	}
	close_all(&a);
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}
