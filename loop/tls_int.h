/*
 * tls_int: OpenSSL's errors as ours, and what contexts, identities and signing share.
 */
#pragma once
#include <stddef.h>

#include "loop/tls.h"

/* Record a failure with the text of OpenSSL's first queued error; empties its queue. */
int tls_fail(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* First certificate of a PEM file or text; caller frees with X509_free. NULL: see e. */
struct x509_st *tls_load_cert(const char *path, struct err *e);
struct x509_st *tls_parse_cert(const char *pem, const char *what, struct err *e);
/* For every reader of keys: an encrypted one is refused instead of asked for at a
 * terminal. */
int tls_no_password(char *buf, int size, int for_writing, void *arg);
/* Lower-case 8-4-4-4-12 hex digits. */
int tls_is_uuid(const char *s, size_t n);
