/*
 * drs_file: the plain texts, besides our own JSON, that snapshots are read from.  Pure.
 *
 * Scenarios are what clusters for comparing balancers are written in: one record a
 * line, words between blanks, # begins a remark:
 *
 *     H id name cpu_mhz cores mem_mib
 *     V id name host vcpus mem_mib cpu_demand_mhz mem_active_mib
 *       cpu_res_mhz mem_res_mib cpu_shares mem_shares dirty_mib_s
 *     R anti|aff vm,vm,… -            apart, together
 *     R must vm,vm,… host,host,…      only there
 *
 * Ids count from 0 in each of the first two; in the view they are one more.
 *
 * Ganeti's text backend (htools 2.5 to 3.0) has sections with empty lines between them,
 * and fields between |:
 *
 *     group|uuid|alloc_policy|tags|networks
 *     node|mem|mem_node|mem_free|disk|disk_free|cpus|offline|group uuid|…|cpu_speed
 *     instance|mem|disk|vcpus|status|auto_balance|primary|secondary|template|tags|…
 *     cluster tags, one a line; htools:iextags:TAG keeps apart who shares a tag TAG:…
 *     group|std|min;max|templates|vcpu_ratio|spindle_ratio
 *
 * A group becomes a cluster.  A cpu counts 1000 MHz times its node's speed, and an
 * instance uses all of its vcpus.  One with a mirror can be on its two nodes only, one
 * with plain disks stays where it is.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "scheduler/sched_view.h"

/* what names the text in errors, which tell the line.  The caller frees the view. */
int drs_file_read(const char *text, size_t n, const char *what,
    struct sched_view **ret_view, struct err *e) WARN_UNUSED;
int drs_ganeti_read(const char *text, size_t n, const char *what,
    struct sched_view **ret_view, struct err *e) WARN_UNUSED;
