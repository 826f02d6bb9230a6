/*
 * proc_parse: the kernel's text files about the machine and its processes, as numbers.
 *
 * Pure: NUL-terminated text in; a field that is not there is an error or stays 0, as
 * each call says.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct proc_cpu {
	uint64_t busy, total; /* ticks of all CPUs since boot */
	uint64_t boot_time_s; /* wall clock; 0 if the text does not say */
	uint64_t user, system, iowait, steal; /* ticks; user with nice, system with
						 interrupts */
};

struct proc_memory {
	uint64_t total_bytes, available_bytes;
	uint64_t swapped_bytes; /* 0 also where there is no swap */
};

#define PROC_FLAGS_MAX 8192

struct proc_cpuinfo {
	uint32_t cpus;
	uint32_t mhz;    /* of the fastest; 0 if the text does not say */
	char model[128]; /* "" if the text does not say */
	/* Of the first, words as the kernel writes them; "" if it does not say. */
	char flags[PROC_FLAGS_MAX];
};

struct proc_pid {
	uint64_t cpu_ticks; /* user and system */
	uint64_t start_ticks;
	uint64_t rss_pages;
	char state;
};

int proc_parse_cpu(const char *stat, struct proc_cpu *ret, struct err *e) WARN_UNUSED;
/* The next line of one CPU in stat, from *at on; *at moves behind it.  False: there is
 * none. */
bool proc_parse_core(const char **at, unsigned *ret_core, struct proc_cpu *ret);
int proc_parse_memory(
    const char *meminfo, struct proc_memory *ret, struct err *e) WARN_UNUSED;
int proc_parse_uptime(const char *uptime, uint64_t *ret_s, struct err *e) WARN_UNUSED;
/* The one-minute average, in thousandths. */
int proc_parse_load(
    const char *loadavg, uint32_t *ret_permille, struct err *e) WARN_UNUSED;
int proc_parse_cpuinfo(
    const char *cpuinfo, struct proc_cpuinfo *ret, struct err *e) WARN_UNUSED;
/* /proc/PID/stat; the program's name in it may hold anything. */
int proc_parse_pid(const char *stat, struct proc_pid *ret, struct err *e) WARN_UNUSED;
/* Busy share between two readings, in thousandths; 0 if no time went by. */
uint32_t proc_busy_permille(const struct proc_cpu *was, const struct proc_cpu *is);
