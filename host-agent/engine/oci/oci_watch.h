/*
 * oci_watch: the first process of a container.
 */
#pragma once
#include <stddef.h>

#include "host-agent/engine/engine_snapshot.h"

struct oci_guest;

/* Take in hand the first process that c->run names: its end is seen from now on.
 * ERR_NOT_FOUND: it is gone. */
int oci_watch(struct oci_guest *c, struct err *e);
void oci_unwatch(struct oci_guest *c);
/* Is it up and well, as far as its kernel, which is ours, can tell? */
const struct engine_inside *oci_op_inside(struct engine_guest *g);
/* The file that it runs, as it names it itself; "": none. */
void oci_program(const struct oci_guest *c, char *buf, size_t n);
/* Fills CPU time and memory of c->g.stat. */
void oci_stat(struct oci_guest *c);
