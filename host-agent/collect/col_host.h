/*
 * col_host: this machine's figures, from /proc and /sys.
 *
 * The files are the kernel's own and short: they are read on the loop thread.
 */
#pragma once
#include "host-agent/collect/proc_parse.h"
#include "host-agent/resource/pressure.h"

/* Left to the host itself where its memory is not configured. */
#define COL_RESERVE_BYTES (512ull << 20)
/* And of what is more than that, one part in so many. */
#define COL_RESERVE_PART 32u

/* What Drover may use of the machine. */
struct col_share {
	uint32_t cpus; /* configured, or all */
	uint32_t mhz;  /* of one */
	uint64_t memory_bytes;
	bool partial; /* less than the machine: count only what guests use */
};

struct col_machine {
	uint32_t cpus, mhz;
	uint64_t memory_bytes;
	uint64_t boot_time_ms;
	char cpu_model[128];
	char cpu_flags[PROC_FLAGS_MAX]; /* words; "" if the kernel does not say */
	char kernel[128];
	char product[128]; /* DMI; "" if there is none */
	char host_name[256];
};

struct col_sample {
	struct proc_cpu cpu;
	uint64_t memory_used_bytes;
	uint64_t uptime_s;
	uint32_t load_permille;
};

/* root is "" but in tests: the folder that stands for "/". */
int col_machine_read(
    const char *root, struct col_machine *ret_m, struct err *e) WARN_UNUSED;
int col_sample_read(
    const char *root, struct col_sample *ret_s, struct err *e) WARN_UNUSED;

/* For how long threads have waited for memory since the machine runs. */
struct col_stalls {
	uint64_t some_us, full_us;
};

/* v->span_us, since s was read, is the caller's; 0 becomes of it where the kernel does
 * not count. */
int col_pressure_read(const char *root, struct col_stalls *s, struct pressure_view *v,
    struct err *e) WARN_UNUSED;
/* One process; ERR_NOT_FOUND when it is gone. */
int col_pid_read(const char *root, int32_t pid, uint64_t *ret_cpu_us,
    uint64_t *ret_rss_bytes, struct err *e) WARN_UNUSED;
/* Zeroes mean: find out, or all of it.  Pure. */
void col_share_of(const struct col_machine *m, uint64_t cpus, uint64_t mhz,
    uint64_t memory_mb, struct col_share *ret_s);
