/*
 * image_bed: a datastore in a folder of its own, with what works on its images.
 */
#pragma once
#include "host-agent/storage/disk.h"
#include "host-agent/storage/tmpl.h"
#include "loop/flow.h"
#include "loop/worker.h"

#define IMAGE_BED_MS 60000

struct image_bed {
	struct loop *loop;
	struct flows *flows;
	struct workers *workers;
	struct datastore *ds;
	struct disk_conf conf;
	char root[64], path[96]; /* path is the datastore's */

	/* Of the flow or job under way. */
	bool ended;
	int rc;
	struct err err;
};

/* cmocka's set-up and tear-down; *state is the bed. */
int image_bed_setup(void **state);
int image_bed_teardown(void **state);

/* A shell command; it must succeed. */
void image_bed_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool image_bed_has(const struct image_bed *b, const char *path);
/* Turn the loop until b->ended; returns b->rc. */
int image_bed_until_ended(struct image_bed *b);

enum image_work { IMAGE_CREATE, IMAGE_GROW, IMAGE_COPY };
/* On d, which stays until it has ended: in a flow of its own that has begun when this
 * returns. */
struct flow *image_bed_begin(
    struct image_bed *b, enum image_work work, const Drover__DiskSpec *d);
int image_bed_do(struct image_bed *b, enum image_work work, const Drover__DiskSpec *d);
