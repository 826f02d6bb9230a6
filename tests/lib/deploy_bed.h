/*
 * deploy_bed: a lab whose agents' orders about disks and templates are written down.
 */
#pragma once
#include "server/inventory/inv.h"
#include "tests/lib/lab.h"

#define MAX_SEEN 200
#define MB_BYTES UINT64_C(0x100000)

/* What an agent was told of a machine's first disk. */
struct seen_disk {
	uint64_t guest, datastore, source_store, bytes;
	char path[80], base[80], source[80];
	bool seeded;
};

struct seen {
	struct seen_disk disk[MAX_SEEN];
	unsigned n;
	unsigned copies, sends, receives, deletes, exports;
	unsigned creates, starts; /* of guests */
	char user_data[2000], meta_data[200], network[1000]; /* of the last seed */
	char address[40]; /* of the last one's first card */
	char engine[10], container[300]; /* of the last that was made or changed */
};

/* Since the last lab_watched. */
extern struct seen seen;

struct lab *lab_watched(unsigned n_hosts, uint64_t memory_mb);
/* Do it and have it succeed. */
void ok(struct lab *l, const char *op, obj_id entity, const char *args);
/* Have it refused at once, with a word of why. */
void refused(
    struct lab *l, const char *op, obj_id entity, const char *args, const char *why);
/*
 * datastore-2 is seen by the first two hosts; datastore-3 by the first alone, -4 by the
 * second.
 */
void make_stores(struct lab *l);
obj_id vm_named(const struct lab *l, const char *name);
size_t n_copies(const struct lab *l, obj_id tpl);
unsigned n_tasks(const struct lab *l, const char *op);
bool all_tasks_ended(const struct lab *l);
void wait_for_all(struct lab *l); /* dials agents that are away */
