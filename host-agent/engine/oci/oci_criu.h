/*
 * oci_criu: which CRIU there is, and what it can do on this host.
 *
 * drover-criu-probe, beside the stage, tries those it finds with a process that has a
 * TCP connection.  What came of it is kept in the engine's state folder as long as
 * programs and kernel stay the same, so an agent that starts again need not try.
 */
#pragma once
#include <stdbool.h>

#include "loop/flow.h"

struct oci_guest;

struct oci_criu_facts {
	char version[32];   /* "" : none works */
	bool tracks_memory; /* the kernel tells which pages change */
	bool lazy_pages;    /* a restore may fetch pages when they are touched */
};

/* A step of the engine's probe, on its guest.  Fills oci->criu, oci->criu_facts and the
 * capabilities that rest on them; fails never. */
enum flow_rc oci_criu_step(struct oci_guest *c, struct flow *f);
enum flow_rc oci_criu_finish(struct oci_guest *c, struct flow *f, int rc);
