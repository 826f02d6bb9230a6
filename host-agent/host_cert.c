#include "host-agent/host_cert.h"

#include "base/log.h"
#include "host-agent/host_channel.h"
#include "host-agent/link/uplink.h"

static struct tls_files
paths(const struct host_cert *h)
{
	return (struct tls_files){
		.cert = h->conf->tls_cert,
		.key = h->conf->tls_key,
		.ca = h->conf->tls_ca,
	};
}

static int
read_identity(const struct host_cert *h, struct cert_facts *ret, struct err *e)
{
	struct cert_facts f;
	int rc = cert_read(h->conf->tls_cert, &f, e);

	if (rc == ERR_NOT_FOUND)
		return err_wrap(e, "this host is not enrolled");
	if (!rc && f.id.role != TLS_ROLE_HOST)
		rc = err_set(e, ERR_INVALID, "%s is not a host's certificate",
		    h->conf->tls_cert);
	if (!rc)
		*ret = f;
	return rc;
}

int
host_cert_open(struct host_cert *h, const struct agent_conf *conf, struct err *e)
{
	h->conf = conf;
	const struct tls_files files = paths(h);

	if (cert_pair_settle(&files, e) || read_identity(h, &h->now, e) ||
	    tls_client_ctx(&files, &h->tls, e))
		return e->code;
	return 0;
}

/* A link that is up keeps what it was opened with; OpenSSL counts references. */
static int
use_files(struct host_cert *h, struct err *e)
{
	const struct tls_files files = paths(h);
	struct ssl_ctx_st *tls = NULL;

	if (tls_client_ctx(&files, &tls, e))
		return e->code;
	tls_ctx_free(h->tls);
	h->tls = tls;
	if (host_channel_reload(h->to_hosts, h->conf, e))
		return err_wrap(e, "for other hosts");
	return 0;
}

int
host_cert_reload(struct host_cert *h, struct err *e)
{
	if (read_identity(h, &h->now, e) || use_files(h, e))
		return e->code;
	renew_reload(h->renew, &h->now);
	return 0;
}

static bool
send_request(void *arg, Drover__CertRequest *q)
{
	struct host_cert *h = arg;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	m.body_case = DROVER__ENVELOPE__BODY_CERT_REQUEST;
	m.cert_request = q;
	return !uplink_send(h->uplink, &m, NULL);
}

static void
on_renewed(void *arg)
{
	struct host_cert *h = arg;
	struct err e = ERR_INIT;

	if (use_files(h, &e))
		log_err("agent", "the renewed certificate is not used: %s", e.msg);
	else
		uplink_redial(h->uplink);
}

void
host_cert_start(struct host_cert *h, struct loop *l, struct workers *savers)
{
	const struct renew_conf c = {
		.loop = l,
		.workers = savers,
		.files = paths(h),
		.send = send_request,
		.renewed = on_renewed,
		.arg = h,
	};

	h->renew = renew_new(&c, &h->now);
}

void
host_cert_fini(struct host_cert *h)
{
	renew_free(h->renew);
	tls_ctx_free(h->tls);
	*h = (struct host_cert){ .conf = NULL };
}
