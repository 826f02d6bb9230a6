#include "host-agent/host_samples.h"

#include "base/log.h"
#include "host-agent/link/uplink.h"

static bool
send(const struct host_samples *h, Drover__Envelope *m)
{
	struct err e = ERR_INIT;

	if (!uplink_send(h->uplink, m, &e))
		return true;
	log_debug("agent", "samples not sent: %s", e.msg);
	return false;
}

static bool
send_batch(void *arg, Drover__StatBatch *b)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	m.body_case = DROVER__ENVELOPE__BODY_STAT_BATCH;
	m.stat_batch = b;
	return send(arg, &m);
}

static void
send_live(void *arg, Drover__StatRound *r)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	m.body_case = DROVER__ENVELOPE__BODY_STAT_LIVE;
	m.stat_live = r;
	(void)send(arg, &m);
}

void
host_samples_open(
    struct host_samples *h, const struct look_conf *look, struct uplink *u)
{
	const struct sampler_conf sc = { .look = *look, .send = send_batch, .arg = h };
	const struct live_conf lc = { .look = *look, .send = send_live, .arg = h };

	h->uplink = u;
	h->sampler = sampler_new(&sc);
	h->live = live_new(&lc);
}

void
host_samples_fini(struct host_samples *h)
{
	sampler_free(h->sampler);
	live_free(h->live);
	*h = (struct host_samples){ 0 };
}

void
host_samples_welcome(struct host_samples *h, uint32_t interval_ms)
{
	sampler_welcome(h->sampler, interval_ms);
}

void
host_samples_link_down(struct host_samples *h)
{
	sampler_link_down(h->sampler);
	live_link_down(h->live);
}
