/*
 * child_int: the forked side of child, between fork and exec.
 */
#pragma once
#include "loop/child.h"

enum exec_stage {
	EXEC_OK,
	EXEC_FDS,
	EXEC_CGROUP,
	EXEC_LIMITS,
	EXEC_CWD,
	EXEC_DROP,
	EXEC_CONFINE,
	EXEC_PARENT,
	EXEC_PROGRAM,
};

/* What the child writes to the exec pipe if it does not get as far as its program. */
struct exec_failure {
	enum exec_stage stage;
	int sys;
};

struct exec_plan {
	const struct child_opts *opts;
	const char *const *env;
	int fds[3];    /* become 0, 1, 2; not closed on exec */
	int report_fd; /* exec pipe, write end */
	pid_t parent;
	int *moved; /* room for 4 + n_pass_fds descriptors */
};

/* Of opts.confine, in the child, before rights are dropped and after.  -1: errno. */
int child_cut_network(void);
int child_confine(const struct child_opts *o);

/* Runs in the child; never returns.  Async-signal-safe: other threads' locks may be
 * held.  Nor does it write to anything that the parent reads: it may be its memory. */
_Noreturn void child_exec(const struct exec_plan *p);
