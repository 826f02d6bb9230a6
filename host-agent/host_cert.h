/*
 * host_cert: this host's certificate: what it says, who uses it, and its renewal.
 */
#pragma once
#include "host-agent/agent_conf.h"
#include "host-agent/enroll/renew.h"

struct host_channel;
struct uplink;

struct host_cert {
	const struct agent_conf *conf;
	struct cert_facts now;
	struct ssl_ctx_st *tls; /* for links to servers */
	struct renew *renew;    /* NULL until host_cert_start */
	/* set by the owner before host_cert_start */
	struct uplink *uplink;
	struct host_channel *to_hosts;
};

/* Ends an exchange that was cut short, and reads the files.  conf is borrowed. */
int host_cert_open(
    struct host_cert *h, const struct agent_conf *conf, struct err *e) WARN_UNUSED;
void host_cert_start(struct host_cert *h, struct loop *l, struct workers *savers);
/* The files and the channel's settings are new: what is opened from now on has them. */
int host_cert_reload(struct host_cert *h, struct err *e) WARN_UNUSED;
/* The uplink was freed before.  A zeroed one is fine. */
void host_cert_fini(struct host_cert *h);
