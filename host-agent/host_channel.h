/*
 * host_channel: the agent's channel to other hosts: its certificates, its settings, and
 * where the others find it.
 *
 * A host whose channel cannot be opened runs its guests all the same; it takes and
 * gives none.  Loop thread only.
 */
#pragma once
#include "host-agent/agent_conf.h"
#include "host-agent/channel/channel.h"
#include "loop/link.h"
#include "proto/hello.pb-c.h"

struct host_channel {
	struct channel *channel; /* NULL: it could not be opened */
	struct ssl_ctx_st *accept, *dial;
	bool has_own_address; /* configured */
	char address[LINK_HOST_TEXT];
	const char *addresses[1]; /* of address, which may change; never NULL */
};

/* Logs what is wrong. h stays where it is until host_channel_fini. */
void host_channel_open(
    struct host_channel *h, struct loop *l, const struct agent_conf *c);
/* Certificates and the cap anew. */
int host_channel_reload(
    struct host_channel *h, const struct agent_conf *c, struct err *e) WARN_UNUSED;
/* Into f; uplink_host is this host's address on the way to the server. */
void host_channel_facts(
    struct host_channel *h, const char *uplink_host, Drover__HostFacts *f);
/* Ends all streams. A zeroed one is fine. */
void host_channel_fini(struct host_channel *h);
