#include "loop/child_step.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_CAP_TRIED 63

void
child_step_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		if (s != SIGKILL && s != SIGSTOP)
			sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int
child_step_cgroup(const char *procs_path)
{
	int fd = open(procs_path, O_WRONLY | O_CLOEXEC);

	/* 0 stands for the writer, in v1 and v2. */
	if (fd < 0 || write(fd, "0", 1) != 1)
		return -1;
	close(fd);
	return 0;
}

static int
drop_bounding_set(void)
{
	for (int cap = 0; cap <= LAST_CAP_TRIED; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return -1;
	}
	return 0;
}

static int
clear_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return (int)syscall(SYS_capset, &head, none);
}

/* Raw calls: glibc's set*id take locks to reach threads that this process does not
 * have. */
int
child_step_drop(uint32_t want_uid, uint32_t want_gid)
{
	uid_t uid = want_uid ? want_uid : getuid();
	gid_t gid = want_gid ? want_gid : getgid();

	if (!want_uid && !want_gid)
		return 0;
	/* Without the right to shrink the set no_new_privs does for any user but root.
	 */
	if (drop_bounding_set() && !want_uid)
		return -1;
	if (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, gid, gid, gid) ||
	    syscall(SYS_setresuid, uid, uid, uid))
		return -1;
	if (clear_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return 0;
}

char *const *
child_step_words(const char *const *words)
{
	union {
		const char *const *in;
		char *const *out;
	} u = { .in = words };

	return u.out;
}
