/*
 * guest_resource: what a guest may use of its host, and what it does use.
 */
#pragma once
#include "host-agent/guest/guest_int.h"

struct counters;
struct net_dev;

/* Of this folder: what is known of a guest's group while it is up. */
struct guest_resources;

/* Its group as spec wants it, made where it is absent.  ERR_BUSY, and nothing changed,
 * where it uses more memory than spec gives it. */
int guest_group_set(
    struct guest *g, const Drover__GuestSpec *spec, struct err *e) WARN_UNUSED;
/* Its first process is about to be moved into its group: see cg_stir. */
void guest_group_stir(struct guest *g);
/* guest_group_set of a container that is up, as a step: the kernel may take a while to
 * take back memory. */
enum flow_rc guest_step_bound(
    struct flow *f, struct guest_job *j, const Drover__GuestSpec *spec);
/* It is about to start: every refusal from now on is news. */
void guest_resources_begin(struct guest *g);
/* It is down, or gone. */
void guest_resources_drop(struct guest *g);
/* Read its counters, and tell of what it was refused. */
void guest_resources_sample(
    struct guest *g, const struct net_dev *links, size_t n_links);
/* As of the last look; NULL: nothing is known of its group. */
const struct counters *guest_resources_now(const struct guest *g);
/* The device of a container's disk; 0: it is not known, or there is none. */
dev_t guest_resources_image(const struct guest *g);
/* The counters, for a report. */
void guest_resources_status(const struct guest *g, Drover__GuestStatus *st);
/*
 * A step after the engine has it: limits of a container's disk, which is no device
 * before.  Where they cannot be set it runs without, and that is logged.
 */
enum flow_rc guest_step_disk_limits(struct flow *f, void *arg);
