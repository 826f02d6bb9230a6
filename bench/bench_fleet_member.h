/*
 * bench_fleet_member: one host of the fleet.
 *
 * Its uplink, TLS and certificate are those of a real agent; what runs on it is
 * invented, and its heartbeat block is a number that the others of its cluster read.
 * Loop thread only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct map;
struct member;

struct member_conf {
	struct loop *loop;
	const char *name;    /* as the server has it */
	const char *dir;     /* where its certificate lies, and its state */
	const char *servers; /* as in an agent's settings */
	struct map *blocks;  /* host number → struct member, of all; shared */
};

/* Paths of a host's files in its folder. */
struct member_files {
	char cert[512], key[512], ca[512], uuid[512], epoch[512];
};

void member_files_fill(const char *dir, struct member_files *ret);

/* Reads the certificate; it is enrolled.  *c is copied, what it points to borrowed. */
int member_new(
    const struct member_conf *c, struct member **ret_m, struct err *e) WARN_UNUSED;
void member_free(struct member *m);
void member_start(struct member *m); /* dials */
void member_cut(struct member *m);   /* every connection that it has breaks */
