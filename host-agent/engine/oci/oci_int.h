/*
 * oci_int: what the files of the oci engine share.
 *
 * A guest's folder (mode 0711, root's): run (the record, see struct oci_run),
 * bundle/config.json, root/ and mnt/ (empty: the container's root and the stage's
 * layers are mounted there, in a mount namespace of their own), images/ (of a
 * checkpoint, absent else), criu.conf, files (see oci_ground.h), guard.sock.
 *
 * The runtime keeps its own records below oci->runtime_root, gone with a reboot.  Its
 * name for a guest is "vm-42".
 */
#pragma once
#include "base/list.h"
#include "host-agent/engine/engine_int.h"
#include "host-agent/engine/engine_kind.h"
#include "host-agent/engine/oci/oci_config.h"
#include "host-agent/engine/oci/oci_criu.h"
#include "host-agent/engine/oci/oci_ground.h"
#include "host-agent/engine/oci/oci_seal.h"
#include "loop/child.h"
#include "loop/flow.h"

#define OCI_MAGIC       0x4f434945u
#define OCI_GUEST_MAGIC 0x4f434754u
#define OCI_IDS         65536u /* of each guest */
#define OCI_DEVICE_ARGS 8
#define OCI_CGROUPS     "/sys/fs/cgroup"
#define OCI_RUNTIME_MS  20000 /* for a command of the runtime */
#define OCI_LAUNCH_MS   60000 /* for a start */

struct guard_client;
struct oci_clearing;
struct oci_probe;

struct oci {
	struct engine en;
	struct flows *flows;
	char *runtime, *criu, *stage, *init, *guard; /* programs, absolute */
	struct oci_seal seal;                        /* of the runtime */
	char *state_dir, *runtime_root;
	struct oci_criu_facts criu_facts;
	uint32_t id_base;
	bool has_time_ns;
	engine_gate_fn gate;
	void *gate_arg;
	struct oci_probe *probe; /* while one is under way */
	struct list leaving;     /* freed guests whose flows still end */
};

/* How far a guest has come, in its record. */
enum oci_phase {
	OCI_NONE,
	OCI_STARTING, /* nothing of it may stay if the agent ends */
	OCI_UP,
	OCI_SAVING, /* up as long as its first process lives */
	OCI_LEAVING,
	OCI_GIVEN,
	OCI_ARRIVING, /* as STARTING */
};

/* What the next life of the agent has to know. */
struct oci_run {
	enum oci_phase phase;
	pid_t pid; /* its first process, from outside */
	uint64_t ticks;
	bool paused;      /* as it was ordered */
	char cgroup[128]; /* struct engine_boot's */
	/* Its own image's file: its path for people, "" if nobody has to wait for it;
	 * a path is another one after the agent's restart in a mount namespace. */
	char image[256];
	uint64_t image_dev, image_ino;
	unsigned
	    loops[ENGINE_LAYERS_MAX]; /* /dev/loopN: its own image, then the layers */
	unsigned n_loops;
};

enum oci_asked { OCI_ASKED_NOTHING, OCI_ASKED_SHUTDOWN, OCI_ASKED_KILL };

struct oci_guest {
	struct engine_guest g;
	struct oci *oci;
	struct list_node leaving_node;
	char who[32]; /* "vm-42", also the runtime's name for it */

	Drover__GuestSpec *spec; /* own copy, as it was started or adopted */
	struct oci_run run;
	struct oci_ground ground; /* of the start under way */
	struct child *child;      /* the program that a verb waits for */
	struct wake child_wake;
	char *child_out;               /* what the last one said on stdout */
	struct oci_clearing *clearing; /* while one is under way */
	struct pid_watch *watch;       /* of its first process */
	int pidfd;                     /* the same; -1: none */
	bool ended; /* the first process has; what is left is not cleared yet */
	bool status_known;
	int status;

	struct guard_client *guard; /* or NULL */
	bool guarded;               /* it has a guard, or had one that ended */
	bool guard_ends;            /* by us */
	bool keeps_guard;           /* what is cleared is started again */
	const char *struck;         /* why it ended with its guard, or NULL */
	char struck_text[ENGINE_REASON_MAX];
	struct wake guard_wake; /* waits for its guard's word */

	struct flow *verb_flow; /* of the verb under way */
	unsigned n_flows;
	bool detached;  /* the handle is gone */
	bool shows_end; /* the verb under way reports the end itself */
	enum oci_asked asked;
	struct wake exit_wake; /* waits for the end of the first process */
	struct wake gone_wake; /* the same, of what clears up */

	/* Of the verb under way. */
	uint32_t timeout_ms;
	uint64_t deadline_ms;
	size_t next_nic;   /* whose wire is taken out */
	unsigned drop_nic; /* its slot + 1, when it is out; 0: none */
	const char *device_args[OCI_DEVICE_ARGS + 1]; /* of the stage that plugs */
	char *device_own[OCI_DEVICE_ARGS];
	struct oci_move *move; /* of a suspend or a move; or NULL */
	struct engine_inside inside;
};

struct oci_guest *oci_guest_of(struct engine_guest *g);
struct oci *oci_of(struct engine *en);
uint32_t oci_id_base(const struct oci *oci, uint64_t guest);

/* ---- oci.c: verbs are flows ---- */

void oci_run_flow(struct oci_guest *c, const char *name, const struct flow_step *steps);
/* Nobody is left to do this for. */
bool oci_is_gone(const struct oci_guest *c);
/* A flow of c's that is not its verb's begins and has ended: the handle lives as long.
 */
void oci_flow_began(struct oci_guest *c);
bool oci_flow_ended(struct oci_guest *c); /* false: c is no more */
/* DOWN, nothing of it is left; why is decided from what was asked and how it ended. */
void oci_set_ended(struct oci_guest *c);
/* The end of a first process that no verb waits for. */
void oci_bury(struct oci_guest *c);
/* Fill c->who; before anything else of a verb that begins from DOWN. */
void oci_name(struct oci_guest *c);
/* Its wires, all of them, open or shut. */
void oci_gates(struct oci_guest *c, bool open);

/* ---- oci_state.c: the guest's folder and record ---- */

/* Make it and bundle/config.json for c->spec, c->run.cgroup. */
int oci_dir_prepare(struct oci_guest *c, struct err *e);
/* The spec that the verbs go by from now on. */
void oci_spec_take(struct oci_guest *c, const Drover__GuestSpec *spec);
int oci_run_save(const struct oci_guest *c, struct err *e);
int oci_run_load(struct oci_guest *c, struct err *e); /* ERR_NOT_FOUND: there is none */
void oci_run_drop(struct oci_guest *c);

/* ---- oci_launch.c: the runtime's commands ---- */

/*
 * Each returns 0 and posts w when the program has ended, with its reason if it failed.
 * c->child_out is then what it said.  One at a time a guest.
 */

struct oci_launch {
	const char *const *global; /* NULL-ended, before the verb: "--criu", path */
	const char *verb;        /* "run" or "restore": "-d", bundle and id are added */
	const char *const *args; /* NULL-ended, behind the verb */
	uint32_t timeout_ms;     /* 0: OCI_LAUNCH_MS */
};

/* The stage on c->ground, which becomes the runtime. */
int oci_launch(
    struct oci_guest *c, const struct oci_launch *l, struct wake w, struct err *e);
/* After a launch: its first process and loop devices into c->run, which is saved as
 * phase, and watched. */
int oci_launched(struct oci_guest *c, enum oci_phase phase, struct err *e);
/* A plain command: args after the runtime's own options, NULL-ended. */
int oci_command(struct oci_guest *c, const char *const *args, uint32_t timeout_ms,
    struct wake w, struct err *e);
/* Any program: argv is all of it, NULL-ended. */
int oci_program_run(
    struct oci_guest *c, const char *const *argv, struct wake w, struct err *e);
/* drover-stage's other commands. */
int oci_stage(
    struct oci_guest *c, const char *const *args, struct wake w, struct err *e);
int oci_stage_for(struct oci_guest *c, const char *const *args, uint32_t timeout_ms,
    struct wake w, struct err *e);
/* Take its card's wire out of its network namespace (oci_move_wires.c). */
int oci_wire_out(struct oci_guest *c, size_t nic, struct wake w, struct err *e);
/* Stop waiting for the program, and end it. */
void oci_child_drop(struct oci_guest *c);
/* The last line of what a launch, or the first process before it ran, said; caller
 * frees. */
char *oci_last_words(const struct oci_guest *c);
/* Steps of a start that others share: the launch, and waiting until its own program
 * runs. */
enum flow_rc oci_launch_step(struct flow *f, void *arg);
enum flow_rc oci_launched_finish(struct flow *f, void *arg, int rc);
enum flow_rc oci_runs_step(struct flow *f, void *arg);
enum flow_rc oci_runs_finish(struct flow *f, void *arg, int rc);
/* It is up from now on, and so says its record. */
enum flow_rc oci_up_step(struct flow *f, void *arg);
/* oci_clear as a step, and as an undo. */
enum flow_rc oci_clear_step(struct flow *f, void *arg);

/* ---- oci_clear.c: nothing stays ---- */

/*
 * End every process of the guest, then the runtime's record, groups, mounts and loop
 * devices; the record `run` goes last.  Posts w: 0, or ERR_TIMEOUT naming what does not
 * go.  Safe twice.  Where the ground is held the loop devices stay.
 */
void oci_clear(struct oci_guest *c, struct wake w);
/* Out of the freezer, whoever put it there. */
int oci_thaw(const struct oci_guest *c, struct err *e);

/* ---- the verbs ---- */

int oci_usable(const struct oci_guest *c, struct err *e);
int oci_op_start(struct engine_guest *g, const struct engine_boot *b, struct err *e);
int oci_op_stop(struct engine_guest *g, uint32_t timeout_ms, struct err *e);
int oci_op_kill(struct engine_guest *g, struct err *e);
int oci_op_check(struct engine_guest *g, struct err *e);
int oci_op_reset(struct engine_guest *g, struct err *e);
int oci_op_pause(struct engine_guest *g, struct err *e);
int oci_op_resume(struct engine_guest *g, struct err *e);
int oci_op_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e);
int oci_op_device(struct engine_guest *g, const struct engine_device *d, struct err *e);
int oci_op_exec(struct engine_guest *g, const struct engine_exec *x, child_fn done,
    void *arg, struct child **ret_c, struct err *e);
int oci_op_resize(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e);
int oci_op_root(struct engine_guest *g, struct engine_root *ret_r, struct err *e);
size_t oci_op_console_tail(struct engine_guest *g, char *buf, size_t cap);
void oci_op_probe(struct engine *en, struct wake w);
void oci_probe_drop(struct oci *oci);

/*
 * oci_criu.c, oci_move.c: their ops go into oci.c's table, their probe into
 * oci_probe.c's steps, after everything else was found to work.
 */
