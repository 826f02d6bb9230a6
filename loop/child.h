/*
 * child: run a program with captured output, a deadline, and its end as a post.
 *
 * No shell; argv[0] is an absolute path; the environment is just the one given (NULL:
 * PATH and LANG=C.UTF-8); all descriptors but 0, 1, 2 and the ones passed on are
 * closed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/post.h"

struct child;

struct child_opts {
	const char *const *argv; /* NULL-ended */
	const char *const *env;  /* NULL-ended, or NULL */
	const char *cwd;         /* NULL: "/" */
	const int *pass_fds;     /* become 3, 4, … in the child */
	size_t n_pass_fds;
	const void *input; /* written to stdin, then closed; NULL: /dev/null */
	size_t input_len;
	const char *stdout_path; /* NULL: captured; else appended to (0640) */
	const char *stderr_path;
	/* 0: stay as we are; else also drops all groups and capabilities */
	uint32_t uid, gid;
	uint64_t max_output; /* bytes captured per stream, rest discarded; 0: 64 KiB */
	uint64_t rlimit_as_bytes; /* 0: none */
	uint32_t rlimit_cpu_s;
	uint64_t rlimit_file_bytes; /* no file grows beyond; 0: none */
	uint32_t timeout_ms;        /* SIGTERM, then SIGKILL 2 s later; 0: none */
	bool detach; /* own session; not killed by child_free: outlives us */
	/*
	 * For what reads foreign data: no network, and where the kernel has Landlock
	 * no file can be opened but programs, libraries and the ones passed on (by
	 * /dev/fd, as they were opened).
	 */
	bool confine;
	/* NULL-ended paths of cgroup.procs or tasks files that the child enters before
	 * exec */
	const char *const *join_cgroups;
};

struct child_result {
	int status; /* as of waitpid */
	bool timed_out;
	const char *out, *err_out; /* NUL-terminated, borrowed during the call */
	size_t out_len, err_len;
};

typedef void (*child_fn)(struct child *c, const struct child_result *r, void *arg);
/*
 * Started when this returns 0 (exec failures too are seen here).  done runs in the
 * posts phase, after it the child is freed.  A child that is not detached dies with us.
 */
int child_start(struct loop *l, const struct child_opts *o, child_fn done, void *arg,
    struct child **ret_c, struct err *e) WARN_UNUSED;
pid_t child_pid(const struct child *c);
void child_kill(struct child *c, int signo); /* it and its process group */
/* Forget it: no done call. Kills it unless detached. */
void child_free(struct child *c);
/* 0 if it exited with 0; else "what: exited with 1: last line of stderr" or the like.
 */
int child_err(const struct child_result *r, const char *what, struct err *e);

/*
 * Become the parent of what our children leave running.  A process with a pid_watch can
 * be asked how it ended (/proc/PID/stat) until its watch is freed; any other is buried.
 * For programs whose only children are those of this file.
 */
int child_adopt_orphans(struct loop *l, struct err *e) WARN_UNUSED;

/*
 * Watch a process that is not our child any more (re-adopted): gone(arg) in the posts
 * phase when it ends (pidfd). start_ticks (field 22 of /proc/PID/stat) guards against a
 * reused pid; 0: not checked.
 */
struct pid_watch;
int pid_watch_new(struct loop *l, pid_t pid, uint64_t start_ticks, loop_fn gone,
    void *arg, struct pid_watch **ret_w, struct err *e) WARN_UNUSED;
void pid_watch_free(struct pid_watch *w);
int pid_start_ticks(pid_t pid, uint64_t *ret_ticks, struct err *e) WARN_UNUSED;
