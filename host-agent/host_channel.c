#include "host-agent/host_channel.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/tls.h"

#define MB_BYTES UINT64_C(0x100000)

static int
load_ctxs(const struct agent_conf *c, struct ssl_ctx_st **ret_accept,
    struct ssl_ctx_st **ret_dial, struct err *e)
{
	const struct tls_files files = {
		.cert = c->tls_cert,
		.key = c->tls_key,
		.ca = c->tls_ca,
	};
	struct ssl_ctx_st *accept = NULL;
	int rc = tls_server_ctx(&files, &accept, e);

	if (rc)
		return rc;
	rc = tls_client_ctx(&files, ret_dial, e);
	if (rc)
		tls_ctx_free(accept);
	else
		*ret_accept = accept;
	return rc;
}

static int
open_channel(
    struct host_channel *h, struct loop *l, const struct agent_conf *c, struct err *e)
{
	int rc = load_ctxs(c, &h->accept, &h->dial, e);

	if (rc)
		return rc;
	const struct channel_opts o = {
		.accept_ctx = h->accept,
		.dial_ctx = h->dial,
		.address = c->channel_address,
		.port = (uint16_t)c->channel_port,
		.bytes_per_s = c->channel_mb_per_s * MB_BYTES,
	};
	return channel_open(l, &o, &h->channel, e);
}

void
host_channel_open(struct host_channel *h, struct loop *l, const struct agent_conf *c)
{
	struct err e = ERR_INIT;

	h->has_own_address = *c->channel_address != '\0';
	snprintf(h->address, sizeof(h->address), "%s", c->channel_address);
	h->addresses[0] = h->address;
	if (open_channel(h, l, c, &e))
		log_err(
		    "agent", "no guest can be moved to or from this host: %s", e.msg);
	else
		log_info("agent", "other hosts reach this one at port %u",
		    channel_port(h->channel));
}

int
host_channel_reload(struct host_channel *h, const struct agent_conf *c, struct err *e)
{
	struct ssl_ctx_st *accept = NULL, *dial = NULL;
	int rc = load_ctxs(c, &accept, &dial, e);

	if (rc)
		return rc;
	if (h->channel) {
		channel_set_ctx(h->channel, accept, dial);
		channel_set_cap(h->channel, c->channel_mb_per_s * MB_BYTES);
	}
	tls_ctx_free(h->accept);
	tls_ctx_free(h->dial);
	h->accept = accept;
	h->dial = dial;
	return 0;
}

void
host_channel_facts(
    struct host_channel *h, const char *uplink_host, Drover__HostFacts *f)
{
	if (!h->has_own_address)
		snprintf(h->address, sizeof(h->address), "%s", uplink_host);
	if (!h->channel || !*h->address)
		return;
	f->channel_port = channel_port(h->channel);
	f->channel_addresses = xcalloc(1, sizeof(char *));
	f->channel_addresses[f->n_channel_addresses++] = xstrdup(h->address);
}

void
host_channel_fini(struct host_channel *h)
{
	channel_free(h->channel);
	tls_ctx_free(h->accept);
	tls_ctx_free(h->dial);
	*h = (struct host_channel){ .channel = NULL };
}
