/*
 * health_smart: what the host's disks say of themselves, by smartctl.
 *
 * One disk after the other, each by a child process with a time limit; a disk that
 * sleeps is let sleep.  Loop thread only.
 */
#pragma once
#include "host-agent/health/health_source.h"

struct loop;
struct smart;

#define SMART_NAME      "smart"
#define SMART_DISKS_MAX 64u

struct smart_conf {
	struct loop *loop;
	const char *program;     /* borrowed; "": none */
	const char *root;        /* as of struct health_view; borrowed */
	uint32_t limit_ms;       /* for one disk */
	void (*done)(void *arg); /* a round is over */
	void *arg;
};

struct smart *smart_new(const struct smart_conf *c);
void smart_free(struct smart *s);
/* Asks each disk; does nothing while a round is under way. */
void smart_look(struct smart *s);
/* What the last round found, and why not more: "" if all was read. */
const struct health_list *smart_found(const struct smart *s);
const char *smart_why_not(const struct smart *s);

/* Pure: smartctl's JSON about a disk.  An error: it says nothing about its health. */
int smart_parse(const char *text, size_t n, const char *disk, struct health_list *out,
    struct err *e) WARN_UNUSED;
