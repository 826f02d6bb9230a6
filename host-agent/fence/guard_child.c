#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host-agent/fence/guard_int.h"
#include "loop/child_step.h"

static _Noreturn void
give_up(int report, enum guard_stage stage)
{
	struct guard_failure f = { stage, errno };
	ssize_t n = write(report, &f, sizeof(f));

	_exit(n == (ssize_t)sizeof(f) ? 127 : 126);
}

/*
 * From here on the end of the guard is ours.  It tells us to go on only after it heard
 * that the kernel knows: a guard that ended before cannot.
 */
static void
tie_to_guard(int report)
{
	char byte = 'r';

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || write(report, &byte, 1) != 1 ||
	    read(report, &byte, 1) != 1)
		give_up(report, GUARD_STAGE_PARENT);
}

/* A /proc of the namespace, for programs that look themselves up in it. */
static int
mount_proc(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return -1;
	return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/*
 * Bury what others left, until somebody kills us and with us all of them.  Not at once:
 * whoever watches one of them from outside can read how it ended until then.
 */
static _Noreturn void
hold(int report)
{
	static const struct timespec a_while = { .tv_sec = 1 };
	sigset_t child;
	int signo;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	guard_let_go(-1);
	close(report);
	for (;;) {
		sigwait(&child, &signo);
		nanosleep(&a_while, NULL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static _Noreturn void
become(const struct guard_plan *p, int report)
{
	child_step_signals();
	setsid();
	for (unsigned i = 0; i < p->n_cgroups; i++)
		if (child_step_cgroup(p->cgroups[i]))
			give_up(report, GUARD_STAGE_CGROUP);
	if (!p->program && mount_proc())
		give_up(report, GUARD_STAGE_MOUNT);
	if (child_step_drop(p->uid, p->gid))
		give_up(report, GUARD_STAGE_DROP);
	/* After the drop: a change of user clears the setting. */
	tie_to_guard(report);
	if (!p->program)
		hold(report);
	execv(p->program[0], p->program);
	give_up(report, GUARD_STAGE_EXEC);
}

/* Say go when asked, then read why there is no program; nothing if there is one. */
static void
hear(int report, struct guard_failure *f)
{
	char byte;

	if (recv(report, &byte, 1, MSG_PEEK) == 1 && byte == 'r' &&
	    recv(report, &byte, 1, 0) == 1)
		send(report, "g", 1, MSG_NOSIGNAL);
	if (recv(report, f, sizeof(*f), MSG_WAITALL) != (ssize_t)sizeof(*f))
		*f = (struct guard_failure){ GUARD_STAGE_NONE, 0 };
}

void
guard_fork(
    const struct guard_plan *p, pid_t *ret_pid, struct guard_failure *ret_failure)
{
	int report[2];
	struct clone_args how = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	pid_t pid = -1;

	*ret_pid = 0;
	if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, report))
		pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));
	if (pid < 0) {
		*ret_failure = (struct guard_failure){ GUARD_STAGE_FORK, errno };
		return;
	}
	if (pid == 0) {
		close(report[0]);
		become(p, report[1]);
	}
	close(report[1]);
	hear(report[0], ret_failure);
	close(report[0]);
	if (ret_failure->stage != GUARD_STAGE_NONE) {
		waitpid(pid, NULL, 0);
		return;
	}
	*ret_pid = pid;
}

void
guard_let_go(int keep)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (keep >= 0)
		dup2(keep, 3);
	syscall(SYS_close_range, keep >= 0 ? 4u : 3u, ~0u, 0u);
	if (chdir("/"))
		_exit(126);
}
