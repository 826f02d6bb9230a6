/*
 * qemu_int: what the files of the qemu engine share.
 *
 * A guest's folder (mode 0700, root's): qmp.sock console.sock agent.sock,
 * console.log[.1], stderr.log, run (pid and shape of the process), guard.sock; q/ is
 * the process's own: vnc.sock.
 */
#pragma once
#include "base/list.h"
#include "base/str.h"
#include "host-agent/engine/converge.h"
#include "host-agent/engine/engine_int.h"
#include "host-agent/engine/qemu/accel_decide.h"
#include "host-agent/engine/qemu/qemu_block.h"
#include "host-agent/engine/qemu/qemu_event.h"
#include "host-agent/engine/qemu/qemu_mig.h"
#include "host-agent/engine/qemu/qemu_shape.h"
#include "host-agent/engine/qemu/qmp.h"
#include "loop/flow.h"

#define QEMU_MAGIC       0x51454d55u
#define QEMU_GUEST_MAGIC 0x51475354u
#define QEMU_ANSWER_MS   10000 /* of a QMP command that does nothing lengthy */
#define QEMU_OWN_FOLDER  "q"
#define QEMU_OWN_SCREEN  "q/vnc.sock"

struct console;
struct qemu_freeze;
struct qemu_merge;
struct qga;
struct child;
struct pid_watch;
struct qemu_mirrors;
struct qemu_shift;
struct timer;
struct qemu_probe;

struct qemu {
	struct engine en;
	struct flows *flows;
	char *program, *accel_wish, *guard;
	uint32_t uid_base, gid, start_ms, unplug_ms;
	uint32_t host_cpus;
	uint64_t host_mb;
	char machine[32];
	struct str machines; /* all that it knows, a line each */
	enum accel accel;
	struct qemu_probe *probe; /* while one is under way */
	struct list leaving;      /* freed guests whose flows still end */
};

enum qemu_asked { QEMU_ASKED_NOTHING, QEMU_ASKED_SHUTDOWN, QEMU_ASKED_KILL };

/* What its process knows of it and a migration's status does not tell. */
enum qemu_away {
	QEMU_HERE,
	QEMU_LEFT_RUNNING, /* its memory was sent, and it ran before that */
	QEMU_LEFT_PAUSED,
	QEMU_HELD, /* it stays; it was paused when its memory was sent */
};

#define QEMU_HELD_WHY "it is paused since a move that failed: let it run first"

/* Where a disk goes to that moves on this host, for who adopts the guest. */
struct qemu_shift_to {
	unsigned slot;
	uint64_t datastore;
	char path[512]; /* "": nothing moves */
	bool noted;     /* the agent has it in its record */
};

/* A move to another host, as its source sees it. */
struct qemu_leave {
	struct converge_policy policy;
	struct converge converge;

	enum { LEAVE_WAIT, LEAVE_ASK, LEAVE_ASK_WHY, LEAVE_TELL } turn;

	json *tell;  /* parameters that LEAVE_TELL sets */
	bool sent;   /* all of it, by QEMU's own word */
	bool let_go; /* migrate-continue was sent: only QEMU can undo it now */
	uint64_t began_ms, stopped_ms;
};

/* Block jobs of an agent that has ended, until they have ended too. */
struct qemu_left {
	uint64_t changes, seen; /* of any job's status */
	bool told, waits;
	struct wake wake;
};

struct qemu_balloon {
	struct engine_balloon seen;
	bool polls, asked; /* its driver tells; an answer is on its way */
};

struct qemu_disk_io {
	struct engine_disk_io seen;
	bool asked; /* an answer is on its way */
};

struct qemu_guest {
	struct engine_guest g;
	struct qemu *qemu;
	struct list_node leaving_node;
	char who[32]; /* "vm-42" */

	struct qmp *qmp;
	struct child *child;        /* the process, if we started it */
	struct pid_watch *watch;    /* the process, if it was adopted or has a guard */
	int pidfd;                  /* of one that is watched: tells its end's status */
	struct guard_client *guard; /* or NULL */
	bool guard_lost;            /* it had one, which ended before we came */
	char struck[ENGINE_REASON_MAX]; /* why it ended with its guard, or "" */
	struct timer *reap_timer;
	unsigned reap_checks;
	bool process_ended;
	bool status_known;
	int status;
	bool given_up;      /* a start that was undone has killed it */
	bool ends_abruptly; /* by a signal at once */
	bool half_started;  /* adopted before it had been let go */

	struct qemu_trace trace;
	struct qemu_shape shape;
	struct console *console;
	struct qga *qga; /* while it has a process */

	struct flow *verb_flow; /* of the verb under way */
	struct flow *side_flow; /* an arrival, which no verb has to wait for */
	/* What runs when the verb's flow has failed; then the verb ends with fell_err.
	 */
	const struct flow_step *fallback;
	bool fallen;
	struct err fell_err;
	unsigned n_flows;
	bool detached;
	bool shows_end; /* the verb under way reports the end itself */
	enum qemu_asked asked;
	bool memory_saved;
	struct wake exit_wake;  /* waits for the end of the process */
	struct wake undo_wake;  /* the same, of an undo that runs beside another verb */
	struct wake run_wake;   /* waits until it runs */
	struct wake guard_wake; /* waits until its guard tells its process */
	struct wake saved_wake; /* waits for a migration to end or to ask */

	/* Of the verb under way. */
	uint32_t timeout_ms;
	uint64_t deadline_ms;
	int memory_fd;
	int memory_child_fd; /* what a start goes on from, as the process numbers it */
	bool was_running;
	struct qemu_growth growth;
	uint32_t goal_cpus;
	struct qemu_leave leave;
	enum qemu_away away;
	bool run_when_whole;
	bool serves;              /* its images, to a source */
	struct qemu_shift *shift; /* a disk that moves on this host; or NULL */
	struct qemu_shift_to shift_to;
	struct qemu_mirrors *mirrors; /* its disks go along; or NULL */
	struct qemu_freeze *freeze;   /* the last, or NULL */
	struct qemu_merge *merge;     /* the last, or NULL */
	struct qemu_device *device;   /* the last, or NULL */
	json *limits;                 /* of its disks, to be set as it starts */
	size_t next_limit;
	struct qemu_balloon balloon;
	struct qemu_disk_io disk_io;
	struct qemu_left left; /* jobs that are ended as it is adopted */
	/* As it was adopted: images in each disk's chain, and as the spec has them. */
	size_t chain_length[ENGINE_DISKS_MAX], chain_noted[ENGINE_DISKS_MAX];
};

struct qemu_guest *qemu_guest_of(struct engine_guest *g);

/* qemu.c: verbs are flows. */
void qemu_run_flow(
    struct qemu_guest *q, const char *name, const struct flow_step *steps);
/* The end of a step that only waits for a command of QMP. */
enum flow_rc qemu_call_step(
    struct qemu_guest *q, struct flow *f, const char *command, json *args_take);
void qemu_side_flow(
    struct qemu_guest *q, const char *name, const struct flow_step *steps);
/* Have QEMU tell by events how far saving or loading memory is. */
enum flow_rc qemu_caps_step(
    struct qemu_guest *q, struct flow *f, enum qemu_mig_use use, bool throttle);
/* It is there, and its control socket too. */
bool qemu_answers(const struct qemu_guest *q);
/* Wait until saving or loading memory has come to an end. */
enum flow_rc qemu_saved_step(struct qemu_guest *q, struct flow *f);
/* Nobody is left to do this for. */
bool qemu_is_gone(const struct qemu_guest *q);

/* qemu_proc.c: the process. */
/* The user that it runs as; 0: our own. */
int qemu_uid(const struct qemu_guest *q, uint32_t *ret_uid, struct err *e);
int qemu_spawn(struct qemu_guest *q, const struct engine_boot *b, struct err *e);
/* Attach to a process that runs already. */
int qemu_proc_watch(struct qemu_guest *q, pid_t pid, uint64_t ticks, struct err *e);
void qemu_proc_kill(struct qemu_guest *q);
void qemu_proc_release(struct qemu_guest *q); /* forget, do not end */
/* Take up the QMP and console connections that fds are. */
void qemu_attach(struct qemu_guest *q, int qmp_fd_take, int console_fd_take);
void qemu_end_check(
    struct qemu_guest *q); /* finishes the end once all news of it are in */
void qemu_proc_stat(struct qemu_guest *q);
void qemu_proc_ended(struct qemu_guest *q, const int *status /* NULL: not known */);

/* qemu_dir.c: the guest's folder; see qemu_dir.h for its sockets. */
int qemu_dir_prepare(
    const struct qemu_guest *q, uint32_t uid, uint32_t gid, struct err *e);
void qemu_dir_clear(const struct qemu_guest *q); /* what a live process leaves */
int qemu_run_save(const struct qemu_guest *q, struct err *e);

struct qemu_run {
	pid_t pid;
	uint64_t ticks;
	struct qemu_shape shape;
	enum qemu_away away;
	struct qemu_shift_to shift_to;
};

/* ERR_NOT_FOUND if there is none. */
int qemu_run_load(const struct qemu_guest *q, struct qemu_run *ret_r, struct err *e);
/* The process whose command line has that uuid; ERR_NOT_FOUND. */
int qemu_find_process(const char *uuid, pid_t *ret_pid, struct err *e);
char *qemu_log_tail(const struct qemu_guest *q); /* caller frees; "" if there is none */
void qemu_log_bound(const struct qemu_guest *q);

/* The verbs. */
int qemu_op_start(struct engine_guest *g, const struct engine_boot *b, struct err *e);
int qemu_start_check(struct qemu_guest *q, struct err *e); /* can anything run? */
/* Put the reason of a start (or of a move in) that failed into e. */
void qemu_start_failed(struct qemu_guest *q, struct err *e);
enum flow_rc qemu_greet_step(struct flow *f, void *arg);
enum flow_rc qemu_load_step(struct flow *f, void *arg); /* memory_child_fd */
/* Nothing of it may stay. */
enum flow_rc qemu_start_undo(struct flow *f, void *arg);
int qemu_op_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e);
int qemu_op_stop(struct engine_guest *g, uint32_t timeout_ms, struct err *e);
int qemu_op_kill(struct engine_guest *g, struct err *e);
int qemu_op_reset(struct engine_guest *g, struct err *e);
int qemu_op_pause(struct engine_guest *g, struct err *e);
int qemu_op_resume(struct engine_guest *g, struct err *e);
int qemu_op_suspend(struct engine_guest *g, int memory_fd, struct err *e);
int qemu_op_resize(
    struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e);
void qemu_op_probe(struct engine *en, struct wake w);
void qemu_probe_drop(struct qemu *qe);
