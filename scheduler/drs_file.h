/*
 * drs_file: the plain text in which clusters for comparing balancers are written.
 *
 * One record a line, words between blanks, # begins a remark:
 *
 *     H id name cpu_mhz cores mem_mib
 *     V id name host vcpus mem_mib cpu_demand_mhz mem_active_mib
 *       cpu_res_mhz mem_res_mib cpu_shares mem_shares dirty_mib_s
 *     R anti|aff vm,vm,… -            apart, together
 *     R must vm,vm,… host,host,…      only there
 *
 * Ids count from 0 in each of the first two.  Pure.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "scheduler/balance_int.h"

struct drs_file {
	struct bal bal; /* not yet bal_init()ed; its arena owns everything */
	const char **host_names, **guest_names;
};

/* what names the text in errors, which tell the line.  Free b.arena in any case. */
int drs_file_read(const char *text, size_t n, const char *what, struct drs_file *ret_f,
    struct err *e) WARN_UNUSED;
