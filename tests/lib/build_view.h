/*
 * build_view: small snapshots for tests of the scheduler.
 *
 * Every view has clusters 1 and 2, networks 1 and 2, and datastores 1 and 2 with
 * 1,000,000 MB, half of it free.  Names are "cluster-1", "network-1", "datastore-1".
 */
#pragma once
#include "scheduler/sched.h"

/* 4 cores, 9600 MHz, 8192 MB, qemu; reaches datastore 1 and network 1. */
struct sched_host build_host(uint64_t id, const char *name);
/* 2 vCPU, 4096 MB, off and nowhere, no disks, no networks. */
struct sched_guest build_guest(uint64_t id, const char *name);
/* The same, running on a host. */
struct sched_guest build_running(uint64_t id, const char *name, uint64_t host);
/* A finished view; fails the test if that is refused. */
struct sched_view *build_view(const struct sched_host *hosts, size_t host_count,
    const struct sched_guest *guests, size_t guest_count);
