/*
 * qemu_shape: what a process was started as, and what was plugged since.
 *
 * A memory image fits only a machine of exactly the same shape, so the shape is kept
 * beside the running process and at the head of each image.  Pure.
 */
#pragma once
#include <stdint.h>

#include "base/json.h"

#define QEMU_DIMMS_MAX 8
#define QEMU_CPUS_MAX  128
/* Kernels take memory in and out in blocks of this size. */
#define QEMU_DIMM_MB 128

struct qemu_shape {
	char machine[32];                      /* versioned: "pc-q35-7.2" */
	char accel[8];                         /* "kvm", "tcg" */
	uint32_t boot_cpus, max_cpus, num_cpu; /* num_cpu: plugged now */
	uint64_t boot_mb, max_mb;
	uint32_t n_dimms;
	uint64_t dimm_mb[QEMU_DIMMS_MAX];
	uint32_t layout; /* QEMU_LAYOUT of the version that started it */
};

/* How a guest of num_cpu and memory_mb is started on a host of that size. */
void qemu_shape_plan(struct qemu_shape *s, uint32_t num_cpu, uint64_t memory_mb,
    uint32_t host_cpus, uint64_t host_mb);
uint64_t qemu_shape_mb(const struct qemu_shape *s); /* plugged now */
/*
 * Its boot memory in KiB, as QEMU is told.  Emulated machines (tcg) have a little more
 * than boot_mb, so that QEMU loses no writes while it copies the memory: ADR 0016.
 */
uint64_t qemu_shape_boot_kb(const struct qemu_shape *s);
/* Memory was plugged for which that does not help: it must not be copied while the
 * guest runs. NULL if all is well; the reason otherwise. */
const char *qemu_shape_stays(const struct qemu_shape *s);
json *qemu_shape_json(const struct qemu_shape *s);
int qemu_shape_parse(
    const json *o, struct qemu_shape *ret_s, struct err *e) WARN_UNUSED;

/* What must be plugged to make s hold num_cpu and memory_mb. */
struct qemu_growth {
	uint32_t add_cpus;
	uint64_t add_mb;
};

/* ERR_UNSUPPORTED "needs power off: …" where it cannot be plugged. */
int qemu_shape_grow(const struct qemu_shape *s, uint32_t num_cpu, uint64_t memory_mb,
    struct qemu_growth *ret_g, struct err *e) WARN_UNUSED;
