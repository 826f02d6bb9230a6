/*
 * push_link: the way to a server that collects metrics: Graphite or InfluxDB.
 *
 * What is to be sent waits here, a few megabytes of it; when there is no more room the
 * oldest goes, and is counted.  Connections are made anew after they broke, after a
 * second at first and a minute at last.  Core thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct push_link;

enum push_kind {
	PUSH_GRAPHITE, /* lines over TCP */
	PUSH_INFLUX,   /* each batch a request of HTTP/1.1, or of HTTPS */
};

struct push_address {
	enum push_kind kind;
	char host[256];
	uint16_t port;
	char path[512]; /* of a request, with its query */
	bool tls;
};

/* "graphite.example.com:2003"; "http://influx.example.com:8086/api/v2/write?…". Pure.
 */
int push_address_parse(enum push_kind kind, const char *text, struct push_address *ret,
    struct err *e) WARN_UNUSED;

/* token: InfluxDB's, or ""; ca_file: who may sign its certificate, "": whom the system
 * trusts.  Both are copied. */
struct push_link *push_link_new(struct loop *l, const struct push_address *a,
    const char *token, const char *ca_file);
void push_link_free(struct push_link *p);

/* n_samples are in the text: they are counted if they are lost. */
void push_link_send(
    struct push_link *p, char *text_take, size_t n_bytes, size_t n_samples);
uint64_t push_link_sent(const struct push_link *p);    /* samples */
uint64_t push_link_dropped(const struct push_link *p); /* samples */
