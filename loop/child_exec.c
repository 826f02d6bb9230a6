#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop/child_int.h"
#include "loop/child_step.h"

static _Noreturn void
give_up(const struct exec_plan *p, int report_fd, enum exec_stage stage)
{
	struct exec_failure f = { stage, errno };
	ssize_t n = write(report_fd, &f, sizeof(f));

	_exit(n == (ssize_t)sizeof(f) ? 127 : 126);
}

/*
 * Put every descriptor where the program expects it.  First all out of the way of the
 * targets, so that no dup2 closes one that is still to be moved.  Returns where the
 * exec pipe went.
 */
static int
arrange_fds(const struct exec_plan *p)
{
	size_t n_pass = p->opts->n_pass_fds, n = 3 + n_pass;
	int floor_fd = (int)n + 1, report;

	report = fcntl(p->report_fd, F_DUPFD_CLOEXEC, floor_fd);
	if (report < 0)
		give_up(p, p->report_fd, EXEC_FDS);
	for (size_t i = 0; i < n; i++) {
		int from = i < 3 ? p->fds[i] : p->opts->pass_fds[i - 3];

		p->moved[i] = fcntl(from, F_DUPFD_CLOEXEC, floor_fd);
		if (p->moved[i] < 0)
			give_up(p, report, EXEC_FDS);
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(p->moved[i], (int)i) < 0)
			give_up(p, report, EXEC_FDS);
	if (syscall(SYS_close_range, (unsigned)n, ~0u, CLOSE_RANGE_CLOEXEC))
		give_up(p, report, EXEC_FDS);
	return report;
}

static void
join_cgroups(const struct exec_plan *p, int report)
{
	const char *const *path = p->opts->join_cgroups;

	for (; path && *path; path++)
		if (child_step_cgroup(*path))
			give_up(p, report, EXEC_CGROUP);
}

static void
set_limits(const struct exec_plan *p, int report)
{
	const struct child_opts *o = p->opts;
	struct rlimit as = { o->rlimit_as_bytes, o->rlimit_as_bytes };
	struct rlimit cpu = { o->rlimit_cpu_s, o->rlimit_cpu_s };
	struct rlimit file = { o->rlimit_file_bytes, o->rlimit_file_bytes };

	if (o->rlimit_as_bytes && setrlimit(RLIMIT_AS, &as))
		give_up(p, report, EXEC_LIMITS);
	if (o->rlimit_cpu_s && setrlimit(RLIMIT_CPU, &cpu))
		give_up(p, report, EXEC_LIMITS);
	if (o->rlimit_file_bytes && setrlimit(RLIMIT_FSIZE, &file))
		give_up(p, report, EXEC_LIMITS);
}

/* A child that is not detached must not outlive us even if we are killed. */
static void
die_with_parent(const struct exec_plan *p, int report)
{
	if (p->opts->detach)
		return;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != p->parent)
		give_up(p, report, EXEC_PARENT);
}

_Noreturn void
child_exec(const struct exec_plan *p)
{
	const struct child_opts *o = p->opts;
	int report;

	child_step_signals();
	if (o->detach)
		setsid();
	else
		setpgid(0, 0);
	report = arrange_fds(p);
	join_cgroups(p, report);
	set_limits(p, report);
	if (chdir(o->cwd ? o->cwd : "/"))
		give_up(p, report, EXEC_CWD);
	if (o->confine && child_cut_network())
		give_up(p, report, EXEC_CONFINE);
	if (child_step_drop(o->uid, o->gid))
		give_up(p, report, EXEC_DROP);
	if (o->confine && child_confine(o))
		give_up(p, report, EXEC_CONFINE);
	/* After the drop: a change of user clears the setting. */
	die_with_parent(p, report);
	execve(o->argv[0], child_step_words(o->argv), child_step_words(p->env));
	give_up(p, report, EXEC_PROGRAM);
}
