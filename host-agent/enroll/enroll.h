/*
 * enroll: how a host gets its certificate.
 *
 * The key is made here and never leaves; the server is believed only if the chain that
 * it shows leads to the CA whose fingerprint the administrator gave.  Blocking, for the
 * command line.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

#define ENROLL_TIMEOUT_MS 20000u

struct enroll_order {
	const char *host;
	uint16_t port;
	const char *token;
	const char *ca_fingerprint;  /* SHA-256, hex; colons and case do not matter */
	const char *cert, *key, *ca; /* where they go */
	const char *uuid_file;       /* the host's uuid, for people and scripts */
	uint32_t timeout_ms;         /* 0: ENROLL_TIMEOUT_MS */
};

/*
 * ret_uuid (40 bytes) is the host's.  Nothing is written before the answer has been
 * checked; then key, CA, certificate, each at once or not at all.
 */
int enroll(const struct enroll_order *o, char ret_uuid[40], struct err *e) WARN_UNUSED;
