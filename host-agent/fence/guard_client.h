/*
 * guard_client: the agent's end of a guest's guard (drover-guard).
 *
 * A guard is started with what it guards, and found again in the guest's folder
 * (guard.sock) by an agent that comes later.  It kills all of the guest at the deadline
 * unless it was told a later one; agents may come and go meanwhile.  The last one to
 * come is the one that it listens to.
 *
 * That a guest has ended means that every process of it was reaped: the first process
 * of a PID namespace cannot be before the others.
 *
 * Loop thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct guard_client;
struct loop;

#define GUARD_NO_DEADLINE UINT64_MAX

struct guard_opts {
	const char *guard;       /* path of drover-guard */
	const char *dir;         /* the guest's folder, where guard.sock comes to be */
	uint64_t deadline_us;    /* clock_mono_us, or GUARD_NO_DEADLINE */
	const char *const *argv; /* of the program; NULL: hold an empty namespace */
	const char *cwd;         /* of the program */
	const char *output_path; /* its stdout and stderr are appended here */
	const int *pass_fds;     /* become 3, 4, … in it */
	size_t n_pass_fds;
	uint32_t uid, gid; /* as of child_opts; they and the groups are the program's */
	const char *const *join_cgroups;
};

enum guard_life {
	GUARD_LIFE_STARTS, /* nothing was heard from it yet */
	GUARD_LIFE_RUNS,
	GUARD_LIFE_FAILED, /* nothing was started: why */
	GUARD_LIFE_ENDED,  /* by itself or by guard_client_kill: status */
	GUARD_LIFE_KILLED, /* with its guard: at the deadline, or by somebody */
};

struct guard_state {
	enum guard_life life;
	bool heard;           /* the guard listens to us */
	uint64_t deadline_us; /* as the guard confirmed it, or GUARD_NO_DEADLINE */
	bool locked;          /* the guard's memory cannot be swapped out */
	bool over;  /* FAILED or KILLED when the deadline had passed: that is why */
	pid_t pid;  /* of the first process, as we see it; 0: not known */
	int status; /* as of waitpid */
	struct err why;
};

/* Something other than the deadline has changed.  In the posts phase; the client may be
 * freed in it. */
typedef void (*guard_changed_fn)(void *arg, const struct guard_state *s);

/* The guard runs when this returns 0; what becomes of the program comes as a change. */
int guard_client_start(struct loop *l, const struct guard_opts *o,
    guard_changed_fn changed, void *arg, struct guard_client **ret_c,
    struct err *e) WARN_UNUSED;
/* ERR_NOT_FOUND: there is none in that folder.  ERR_LOST: there was one. */
int guard_client_adopt(struct loop *l, const char *dir, guard_changed_fn changed,
    void *arg, struct guard_client **ret_c, struct err *e) WARN_UNUSED;
/* Send the guard in that folder away, if there is one: what it guarded has ended. */
void guard_client_dismiss(const char *dir);
/* Forget it; it goes on. */
void guard_client_free(struct guard_client *c);

const struct guard_state *guard_client_state(const struct guard_client *c);
/* Be dead at that time unless armed again.  ERR_LOST: it does not listen any more;
 * ERR_BUSY: it has not taken what was said before. */
int guard_client_arm(
    struct guard_client *c, uint64_t deadline_us, struct err *e) WARN_UNUSED;
/* End all of the guest now; its end comes as a change. */
int guard_client_kill(struct guard_client *c, struct err *e) WARN_UNUSED;
/* The end is written down, or of no interest: the guard goes when it has come. */
int guard_client_release(struct guard_client *c, struct err *e) WARN_UNUSED;

/* A pidfd of the first process, borrowed; -1: not known.  As the last one of a child's
 * pass_fds, after "drover-guard enter --init N --", it brings that child in. */
int guard_client_pidfd(const struct guard_client *c);
/* The process that has been left to the first one and calls itself inner in there. */
int guard_client_outer_pid(const struct guard_client *c, pid_t inner, pid_t *ret_pid,
    struct err *e) WARN_UNUSED;
