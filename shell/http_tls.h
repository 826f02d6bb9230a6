/*
 * http_tls: TCP and TLS below http.
 */
#pragma once
#include <openssl/ssl.h>

#include "shell/http.h"

#define CONNECT_MS 10000
#define REPLY_S    120 /* longer than the server may keep a call waiting */

SSL_CTX *tls_client_new(const struct http_conf *conf, struct err *e);
/* Connect and shake hands; *ret_fd is to be closed after SSL_free. */
SSL *tls_client_open(
    SSL_CTX *ctx, const struct http_conf *conf, int *ret_fd, struct err *e);
/* A connection besides h's own, as h makes it; blocking. */
SSL *http_dial(const struct http *h, int *ret_fd, struct err *e);
/* What stands behind "Host:"; caller frees. */
char *http_host(const struct http *h);
