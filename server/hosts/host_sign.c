/*
 * What a worker needs to sign for a host, and nothing else.
 */
#include "base/mem.h"
#include "server/hosts/host_enroll.h"
#include "server/hosts/host_int.h"

bool
hosts_sign(const struct hosts *hs)
{
	return hs->workers && hs->ca_key_path;
}

void
signing_init(struct signing *s, const struct hosts *hs, const char *csr)
{
	*s = (struct signing){
		.csr = xstrdup(csr),
		.ca_cert_path = xstrdup(hs->ca_cert_path),
		.ca_key_path = xstrdup(hs->ca_key_path),
	};
}

int
signing_run(struct signing *s)
{
	return tls_sign_host(s->csr, s->ca_cert_path, s->ca_key_path, s->uuid,
	    HOST_CERTIFICATE_DAYS, &s->certificate, &s->identity, &s->err);
}

void
signing_fini(struct signing *s)
{
	free(s->csr);
	free(s->ca_cert_path);
	free(s->ca_key_path);
	free(s->certificate);
}
