/*
 * engine_kind: the kinds of engine, and what each wants to know to be made.
 *
 * For whoever makes engines; everybody else is content with engine.h.  Loop thread
 * only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct flows;
struct loop;

struct engine_qemu_conf {
	const char *program; /* "" finds qemu-system-<this machine> */
	const char *accel;   /* "auto", "kvm", "tcg": engine.qemu.accel */
	uint32_t uid_base;   /* guest n runs as uid_base + n */
	uint32_t gid;        /* of all guests, unless /dev/kvm has a group of its own */
	uint32_t start_ms;   /* how long a process may take to answer; 0: 30 s */
	uint32_t unplug_ms;  /* how long a guest may keep a device; 0: 20 s */
	const char *guard;   /* drover-guard; "": beside this program */
};
/* Its verbs are flows of fs, the loop's registry. The conf's strings are copied. */
struct engine *engine_qemu_new(
    struct loop *l, struct flows *fs, const struct engine_qemu_conf *conf);

/* The wires of containers, which must be shut while what they carry is in no kernel. */
typedef void (*engine_gate_fn)(void *arg, uint64_t guest, unsigned nic, bool open);

struct engine_oci_conf {
	const char *runtime;   /* "" finds runc; another that takes its arguments */
	const char *criu;      /* "" finds the one of the machine, or Drover's own */
	const char *stage;     /* drover-stage; "": beside this program */
	const char *guard;     /* drover-guard, the same */
	const char *state_dir; /* for the runtime's own records: gone with a reboot */
	uint32_t
	    id_base; /* guest n has the 65536 ids from id_base + (n mod 16384) * 65536
		      */
	engine_gate_fn gate;
	void *gate_arg;
};
/* As engine_qemu_new. */
struct engine *engine_oci_new(
    struct loop *l, struct flows *fs, const struct engine_oci_conf *conf);

struct engine_sim_conf {
	uint64_t seed;
	uint32_t start_ms, stop_ms; /* mean time of a start and of a graceful stop */
	/*
	 * Scripted faults, "verb:guest=fault[,…]", guest a number or *; fault is slow
	 * (ten times the time), lost (never answers), stuck (fails with BUSY), crash
	 * (dies at the end of the verb).  "start:7=crash,stop:*=slow".  NULL: none.
	 */
	const char *faults;
	const char *state_dir; /* where invented guests survive an agent restart; NULL:
				  they do not */
};

/* ERR_INVALID names the part of the script that cannot be read. */
int engine_sim_new(struct loop *l, const struct engine_sim_conf *conf,
    struct engine **ret_en, struct err *e) WARN_UNUSED;
