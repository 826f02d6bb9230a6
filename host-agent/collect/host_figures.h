/*
 * host_figures: what this host has used until now.
 *
 * The files are the kernel's own and short: they are read on the loop thread.
 */
#pragma once
#include "host-agent/collect/col_host.h"
#include "host-agent/resource/figures.h"

struct host_devices;

/*
 * What cannot be read stays unknown.  root as of col_host.h.  Of a host that is a share
 * of a machine only what its guests use counts, which their sum says: just its uptime
 * is filled in.
 */
void host_figures_read(const char *root, const struct col_share *share,
    const struct host_devices *d, struct figures *ret_f);
/* Each card, disk and core of a host that is a whole machine, by the kernel's name;
 * whole: what was read of it. */
void host_figures_instances(const char *root, const struct host_devices *d,
    const struct figures *whole,
    void (*fn)(void *arg, const char *name, const struct figures *f), void *arg);
