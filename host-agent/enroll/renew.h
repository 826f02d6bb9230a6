/*
 * renew: this host's certificate is renewed before it ends.
 *
 * Two thirds into its life a key is made and whoever leads is asked, over the link that
 * there is, to sign for it.  The answer is checked and stored; the next link is opened
 * with it.  What fails is tried again until the certificate has ended.  Loop thread
 * only; files are written by a worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/enroll/cert_pair.h"
#include "proto/envelope.pb-c.h"

struct loop;
struct renew;
struct workers;

struct renew_conf {
	struct loop *loop;
	struct workers *workers;
	struct tls_files files; /* borrowed, as are their names */
	/* False: there is no link. */
	bool (*send)(void *arg, Drover__CertRequest *q);
	/* The files are new: read them. */
	void (*renewed)(void *arg);
	void *arg;
};

struct renew *renew_new(const struct renew_conf *c, const struct cert_facts *now);
/* After the workers' last turn or before: a job that runs ends by itself. */
void renew_free(struct renew *r);
/* A leader's welcome is in. signs: it renews certificates. */
void renew_link_up(struct renew *r, bool signs);
void renew_link_down(struct renew *r);
void renew_granted(struct renew *r, const Drover__CertGrant *g);
/* Somebody else has put other files there (drover-agent enroll). */
void renew_reload(struct renew *r, const struct cert_facts *now);

/* From now until it is time to ask; 0: it is.  Pure. */
uint64_t renew_due_ms(const struct cert_facts *f, uint64_t now_ms);
