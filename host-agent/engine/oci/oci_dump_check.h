/*
 * oci_dump_check: may a container leave, and what must the other host have?
 *
 * What CRIU cannot save (oci_holds.h) is looked for before anything begins: all of it
 * at once, each named by the process that has it.
 */
#pragma once
#include "host-agent/engine/oci/oci_int.h"

/* An obstacle of the offer for each thing that stays behind. */
void oci_dump_check(struct oci_guest *c);
/* The same for a suspend, which asks nobody: ERR_BAD_STATE with the first reason. */
int oci_dump_refuse(const struct oci_guest *c, struct err *e) WARN_UNUSED;

/* What the target must be able to run; a JSON object's text, caller frees. */
char *oci_shape_text(const struct oci_guest *c);
/* ERR_UNSUPPORTED: not on this host. */
int oci_shape_check(const struct oci_guest *c, const uint8_t *shape, size_t n,
    struct err *e) WARN_UNUSED;
