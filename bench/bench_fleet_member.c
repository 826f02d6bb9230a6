#include "bench/bench_fleet_member.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/enroll/cert_pair.h"
#include "host-agent/link/epoch.h"
#include "host-agent/link/uplink.h"
#include "loop/timer.h"
#include "server/hosts/agent_fake.h"

#define MAX_CALLS 16u
#define CORES     8u
#define CORE_MHZ  2400u
#define MEMORY_MB 16384u

/* One of its lines to servers, between the uplink and the link. */
struct call {
	struct member *m;
	struct link *link; /* the last that was dialled; it may be gone */
	const struct link_events *ev;
	void *arg;
};

struct member {
	struct member_conf conf;
	char *name;
	struct cert_facts cert;
	struct ssl_ctx_st *tls;
	struct epoch *epoch;
	struct uplink *uplink;
	struct agent_fake *agent;
	struct timer *beat, *report;
	struct call calls[MAX_CALLS];
	size_t n_calls;
	uint64_t block_ms; /* when its block was renewed last */
	uint32_t renew_ms; /* 0: nobody wants beats */
	bool answered;     /* it has a lease over this link */
	bool fenced;
};

/* What the driver of the measurement reads: when, what, of which host. */
static void
tell(const struct member *m, const char *what)
{
	printf("%llu %s %s\n", (unsigned long long)clock_mono_ms(clock_system()), what,
	    m->name);
}

/* ---- leases ---- */

static void
look_at_blocks(struct member *m, const Drover__HaConf *c)
{
	uint64_t now_ms = loop_now_ms(m->conf.loop);

	for (size_t i = 0; i < c->n_peers; i++) {
		const struct member *peer = map_get(m->conf.blocks, c->peers[i]->host);
		if (!peer)
			continue;
		const struct agent_fake_word w = {
			.slot = c->peers[i]->slot,
			.still_ms = now_ms - peer->block_ms,
		};
		agent_fake_sees(m->agent, &w);
	}
}

static void
on_beat(void *arg)
{
	struct member *m = arg;

	m->block_ms = loop_now_ms(m->conf.loop);
	if (uplink_state(m->uplink) != UPLINK_READY)
		return;
	look_at_blocks(m, agent_fake_conf(m->agent));
	agent_fake_beat(m->agent);
}

static void
follow_conf(struct member *m)
{
	const Drover__HaConf *c = agent_fake_conf(m->agent);
	uint32_t renew_ms = c && c->enabled ? c->terms->renew_ms : 0;

	if (renew_ms == m->renew_ms)
		return;
	m->renew_ms = renew_ms;
	if (!renew_ms) {
		timer_stop(m->beat);
		return;
	}
	timer_every(m->beat, renew_ms);
	on_beat(m);
}

static void
take_reply(struct member *m, const Drover__BeatReply *r)
{
	if (r->n_stop)
		tell(m, "stop");
	if (agent_fake_fenced(m->agent) && !m->fenced)
		tell(m, "fenced");
	m->fenced = agent_fake_fenced(m->agent);
	if (!r->lease_ms || m->answered)
		return;
	m->answered = true;
	tell(m, "leased");
}

/* ---- what the uplink tells ---- */

static Drover__Hello *
make_hello(void *arg)
{
	struct member *m = arg;
	Drover__Hello *h = agent_fake_hello(m->agent);

	h->epoch_seen = epoch_seen(m->epoch);
	return h;
}

static void
on_report(void *arg)
{
	struct member *m = arg;

	if (uplink_state(m->uplink) == UPLINK_READY)
		agent_fake_report(m->agent);
}

static void
on_welcome(void *arg, const Drover__Welcome *w)
{
	struct member *m = arg;

	map_put(m->conf.blocks, w->host, m);
	agent_fake_linked(m->agent);
	timer_every(m->report, w->report_ms);
	agent_fake_report(m->agent);
	if (m->renew_ms)
		on_beat(m);
	tell(m, "ready");
}

static void
on_order(void *arg, Drover__Envelope *m_take)
{
	agent_fake_order(((struct member *)arg)->agent, m_take);
}

static void
on_refused_order(void *arg, const Drover__Order *o, const struct err *why)
{
	tell(arg, "late-order");
}

static void
on_event_ack(void *arg, uint64_t id)
{
}

static void
on_session(void *arg, const Drover__Envelope *env)
{
	agent_fake_hear(((struct member *)arg)->agent, env);
}

static void
on_link_down(void *arg)
{
	struct member *m = arg;

	m->answered = false;
	tell(m, "down");
}

static void
on_lease(void *arg, const Drover__Envelope *env)
{
	struct member *m = arg;

	agent_fake_hear(m->agent, env);
	if (env->body_case == DROVER__ENVELOPE__BODY_BEAT_REPLY)
		take_reply(m, env->beat_reply);
	else
		follow_conf(m);
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
};

/* ---- connections ---- */

static void
on_up(struct link *k, void *arg)
{
	const struct call *c = arg;

	tell(c->m, "up");
	c->ev->on_up(k, c->arg);
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	const struct call *c = arg;

	c->ev->on_frame(k, p, n, c->arg);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	const struct call *c = arg;

	c->ev->on_down(k, why, c->arg);
}

static struct call *
call_of(struct member *m, const struct uplink_call *call)
{
	for (size_t i = 0; i < m->n_calls; i++) {
		if (m->calls[i].arg == call->ev_arg)
			return &m->calls[i];
	}
	ASSERT(m->n_calls < MAX_CALLS);
	m->calls[m->n_calls] =
	    (struct call){ .m = m, .ev = call->ev, .arg = call->ev_arg };
	return &m->calls[m->n_calls++];
}

static int
dial(void *arg, const struct uplink_call *call, struct link **ret_k, struct err *e)
{
	static const struct link_events events = { on_up, on_frame, on_down };
	struct member *m = arg;
	struct call *c = call_of(m, call);
	const struct link_opts o = { 0 };
	int rc;

	rc = link_dial(
	    m->conf.loop, call->host, call->port, m->tls, &o, &events, c, ret_k, e);
	c->link = rc ? NULL : *ret_k;
	return rc;
}

void
member_cut(struct member *m)
{
	struct err why = ERR_INIT;

	err_set(&why, ERR_LOST, "the line was cut");
	for (size_t i = 0; i < m->n_calls; i++) {
		struct call *c = &m->calls[i];
		if (c->link)
			c->ev->on_down(MOVE(c->link), &why, c->arg);
	}
}

/* ---- the agent ---- */

static void
carry(void *arg, Drover__Envelope *env)
{
	struct err e = ERR_INIT;

	/* A link that is going down just loses it, as any. */
	(void)!uplink_send(((struct member *)arg)->uplink, env, &e);
}

static void
on_work(const Drover__Order *o, void *arg)
{
	if (o->verb_case == DROVER__ORDER__VERB_GUEST_START)
		tell(arg, "start");
}

static void
make_agent(struct member *m)
{
	const struct agent_fake_facts facts = {
		.uuid = m->cert.id.uuid,
		.fingerprint = m->cert.id.fingerprint,
		.cpu_cores = CORES,
		.cpu_mhz = CORE_MHZ,
		.memory_mb = MEMORY_MB,
	};

	m->agent = agent_fake_new(m->conf.loop, &facts);
	agent_fake_be_brief(m->agent);
	agent_fake_carry(m->agent, carry, m);
	agent_fake_watch(m->agent, on_work, m);
}

static int
open_line(struct member *m, const struct member_files *files, struct err *e)
{
	const struct tls_files tls = { files->cert, files->key, files->ca };
	struct uplink_conf uc = {
		.servers = m->conf.servers,
		.ev = &uplink_evs,
		.arg = m,
		.retry_max_ms = UPLINK_BACKOFF_MAX_MS,
		.dial = dial,
	};

	if (cert_read(files->cert, &m->cert, e) || tls_client_ctx(&tls, &m->tls, e) ||
	    epoch_open(files->epoch, &m->epoch, e))
		return e->code;
	rng_secret(&uc.seed, sizeof(uc.seed));
	uc.epoch = m->epoch;
	return uplink_new(m->conf.loop, &uc, &m->uplink, e);
}

void
member_files_fill(const char *dir, struct member_files *ret)
{
	snprintf(ret->cert, sizeof(ret->cert), "%s/host.crt", dir);
	snprintf(ret->key, sizeof(ret->key), "%s/host.key", dir);
	snprintf(ret->ca, sizeof(ret->ca), "%s/ca.pem", dir);
	snprintf(ret->uuid, sizeof(ret->uuid), "%s/uuid", dir);
	snprintf(ret->epoch, sizeof(ret->epoch), "%s/epoch", dir);
}

int
member_new(const struct member_conf *c, struct member **ret_m, struct err *e)
{
	struct member *m = xcalloc(1, sizeof(*m));
	struct member_files files;

	m->conf = *c;
	m->name = xstrdup(c->name);
	member_files_fill(c->dir, &files);
	if (open_line(m, &files, e)) {
		member_free(m);
		return e->code;
	}
	make_agent(m);
	m->beat = timer_new(c->loop, on_beat, m);
	m->report = timer_new(c->loop, on_report, m);
	*ret_m = m;
	return 0;
}

void
member_free(struct member *m)
{
	if (!m)
		return;
	timer_free(m->beat);
	timer_free(m->report);
	uplink_free(m->uplink);
	agent_fake_free(m->agent);
	if (m->epoch)
		epoch_free(m->epoch);
	tls_ctx_free(m->tls);
	free(m->name);
	free(m);
}

void
member_start(struct member *m)
{
	uplink_start(m->uplink);
}
