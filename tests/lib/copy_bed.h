/*
 * copy_bed: two hosts, A and B, with a datastore and a channel each on one loop, and
 * the orders that bring an image from A to B.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host-agent/copy/copies.h"

#define COPY_BED_A "3f2504e0-4f89-41d3-9a0c-0000000000aa"
#define COPY_BED_B "3f2504e0-4f89-41d3-9a0c-0000000000bb"
#define COPY_FROM  "vms/vm-7/disk-0.raw"
#define COPY_TO    "vms/vm-8/moved.raw"

struct copy_bed;
struct ssl_ctx_st;
struct stat;

enum { A, B, HOSTS };

struct copy_answer {
	bool given;
	struct err fault;
	Drover__Reply *reply; /* NULL after a fault */
};

struct copy_host {
	struct copy_bed *w;
	struct ssl_ctx_st *accept, *dial;
	struct channel *channel;
	struct datastore *ds;
	struct copies *copies;
	struct progress *progress;
	char root[96];
	struct copy_answer answers[8]; /* by step */
};

struct copy_bed {
	struct loop *loop;
	struct flows *flows;
	struct workers *workers;
	struct certs *certs;
	struct disk_conf disk;
	struct copy_host host[HOSTS];
	uint8_t key[CHANNEL_KEY_BYTES];
	char dir[64];
	size_t fds; /* that were open before */
};

/* cmocka's set-up and tear-down; *state is the bed.  Descriptors that are still open in
 * the end fail the test. */
int copy_bed_setup(void **state);
int copy_bed_teardown(void **state);
/* Its copies anew, before any was begun. */
void copy_bed_open(struct copy_host *h, struct channel *c, uint32_t dial_ms);
/* Turn the loop until cond(arg); the test fails after twenty seconds. */
void copy_bed_until(struct copy_bed *w, bool (*cond)(void *arg), void *arg);

/* ---- orders; each is a step of the host, as is its answer ---- */

struct order_name copy_bed_name(uint32_t step);
/* COPY_TO, a raw image, from host A. */
Drover__ImageReceive copy_bed_to_receive(struct copy_bed *w);
void copy_bed_receive(
    struct copy_host *h, uint32_t step, const Drover__ImageReceive *o);
void copy_bed_received(struct copy_host *h, uint32_t step);
void copy_bed_send(struct copy_host *h, uint32_t step, uint64_t cap);
void copy_bed_send_to(struct copy_host *h, uint32_t step, uint16_t port, uint64_t cap);
/* B listens (its step 1), and is asked for the end (2). */
void copy_bed_expect(struct copy_bed *w);

/* These wait for it. */
const struct copy_answer *copy_bed_answer(struct copy_host *h, uint32_t step);
int copy_bed_fault(struct copy_host *h, uint32_t step);
const Drover__CopyFacts *copy_bed_facts(struct copy_host *h, uint32_t step);

/* ---- files ---- */

char *copy_bed_file(const struct copy_host *h, const char *path);
bool copy_bed_stat(const struct copy_host *h, const char *path, struct stat *ret_st);
bool copy_bed_has(const struct copy_host *h, const char *path);
/* COPY_FROM of size bytes: n that are not zeros at each of the places. */
void copy_bed_image(const struct copy_host *h, uint64_t size, size_t n,
    const uint64_t *places /* up to UINT64_MAX */);
void copy_bed_full_image(struct copy_bed *w);  /* 6 MiB on A */
void copy_bed_small_image(struct copy_bed *w); /* 1 MiB */
void copy_bed_is_same(struct copy_bed *w);     /* COPY_FROM on A, COPY_TO on B */
void copy_bed_is_clean(struct copy_bed *w);    /* nothing came to B */
