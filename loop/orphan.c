/*
 * orphan: what our children leave running becomes ours, so that nobody else hears how
 * it ended before we do.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "loop/child.h"
#include "loop/loop_int.h"

int
child_adopt_orphans(struct loop *l, struct err *e)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return err_sys(e, ERR_UNAVAILABLE, errno, "cannot adopt orphans");
	l->adopts_orphans = true;
	return 0;
}

/* One that somebody waits for hides those behind it until it is buried: then we are
 * called again. */
void
orphans_reap(const struct loop *l)
{
	for (;;) {
		siginfo_t ended = { .si_pid = 0 };

		if (!l->adopts_orphans ||
		    waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) ||
		    !ended.si_pid || child_is(l, ended.si_pid) ||
		    pid_is_watched(l, ended.si_pid))
			return;
		waitpid(ended.si_pid, NULL, WNOHANG);
	}
}
