/*
 * oci_ground: the files that a container's root is put together from.
 *
 * They are open from before a launch until it has ended, and noted in the guest's
 * folder: whoever needs them again opens them by that note.  What a loop device says of
 * its file is no way to it: once the agent that opened it has ended with its mount
 * namespace, the path is another one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "host-agent/engine/engine.h"

struct oci_guest;

/* Images, or loop devices on them. */
struct oci_ground {
	int fds[ENGINE_LAYERS_MAX]; /* its own image first, then as in its backing */
	unsigned n;
};

/* Copies of what b has; or of what the container that is up stands on, which stays then
 * when it ends. */
int oci_ground_take(struct oci_guest *c, const struct engine_boot *b, struct err *e);
int oci_ground_hold(struct oci_guest *c, struct err *e);
void oci_ground_drop(struct oci_guest *c);
/* The first file is what c->run names as its own image. */
void oci_ground_name(struct oci_guest *c);
/* Devices are not noted: their files are those of the note before. */
int oci_ground_note(const struct oci_guest *c, struct err *e);
/* The noted files, if they are still the same, become the ground. */
int oci_ground_open(struct oci_guest *c, struct err *e);

/* The loop device stands on the file. */
bool oci_loop_is_on(unsigned loop, uint64_t dev, uint64_t ino);
