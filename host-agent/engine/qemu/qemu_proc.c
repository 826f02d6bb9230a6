#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/qemu/console.h"
#include "host-agent/engine/qemu/qemu_args.h"
#include "host-agent/engine/qemu/qemu_device.h"
#include "host-agent/engine/qemu/qemu_guard.h"
#include "host-agent/engine/qemu/qemu_dir.h"
#include "host-agent/engine/qemu/qemu_live.h"
#include "host-agent/engine/qemu/qemu_mirror.h"
#include "host-agent/engine/qemu/qemu_shift.h"
#include "host-agent/engine/qemu/qga.h"
#include "loop/child.h"
#include "loop/timer.h"

/* Since Linux 6.15 a pidfd tells the status of a process that was not our child. */
struct pidfd_end {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

#define PIDFD_GET_END  _IOWR(0xFF, 11, struct pidfd_end)
#define PIDFD_END_EXIT (1u << 3)
/* The status can be read once the process is reaped, which is up to its parent now. */
#define REAP_CHECK_MS 5
#define REAP_CHECKS   40
#define GUARD_CHECKS  400

/* Fields of /proc/PID/stat. */
#define STAT_USER     14
#define STAT_SYSTEM   15
#define STAT_RESIDENT 24
#define US_PER_S      1000000u

/* What a start opens on the way to a process. */
struct wires {
	int qmp_listen, console_listen, agent_listen;
	int qmp, console;
};

static void
wires_close(struct wires *w)
{
	int *fds[] = { &w->qmp_listen, &w->console_listen, &w->agent_listen, &w->qmp,
		&w->console };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* Our ends are connected before the process exists: it finds them waiting, nobody
 * polls. */
static int
wires_open(const struct qemu_guest *q, struct wires *w, struct err *e)
{
	int rc = qemu_listen(q, "qmp.sock", &w->qmp_listen, e);

	if (!rc)
		rc = qemu_listen(q, "console.sock", &w->console_listen, e);
	if (!rc)
		rc = qemu_listen(q, "agent.sock", &w->agent_listen, e);
	if (!rc)
		rc = qemu_connect(q, "qmp.sock", &w->qmp, e);
	if (!rc)
		rc = qemu_connect(q, "console.sock", &w->console, e);
	return rc;
}

static void
on_qmp_event(void *arg, const char *name, const json *data)
{
	struct qemu_guest *q = arg;
	struct engine_guest *g = &q->g;
	bool explained = g->busy && g->state != ENGINE_LEAVING;
	struct qemu_move m;

	qemu_mirror_event(q, name, data);
	qemu_shift_event(q, name, data);
	qemu_event_take(&q->trace, g->state, explained, name, data, &m);
	qemu_merge_event(q, name, data);
	qemu_left_event(q, name);
	qemu_device_event(q, name, data);
	if (m.moves)
		engine_set_state(g, m.to, m.reason);
	if (m.tells)
		engine_emit(g, m.kind, m.reason);
	if (g->state == ENGINE_RUNNING)
		post_wake(g->engine->loop, q->run_wake, 0, NULL);
	if (qemu_saving_ended(&q->trace) || qemu_saving_asks(&q->trace))
		post_wake(g->engine->loop, q->saved_wake, 0, NULL);
}

static void
on_qmp_gone(void *arg, const struct err *e)
{
	struct qemu_guest *q = arg;

	if (!q->process_ended)
		log_info("engine", "%s", e->msg);
	qemu_end_check(q);
}

static void
on_heard(void *arg, const void *p, size_t n)
{
	engine_console_heard(arg, p, n);
}

static int
dial_agent(void *arg, int *ret_fd, struct err *e)
{
	return qemu_connect(arg, "agent.sock", ret_fd, e);
}

void
qemu_attach(struct qemu_guest *q, int qmp_fd_take, int console_fd_take)
{
	static const struct qmp_hooks hooks = { on_qmp_event, on_qmp_gone };
	struct loop *l = q->g.engine->loop;

	qemu_balloon_forget(q);
	qemu_disk_io_forget(q);
	q->qmp = qmp_new(l, qmp_fd_take, q->who, &hooks, q);
	q->qga = qga_new(l, q->who, &(struct qga_hooks){ dial_agent, q });
	if (console_fd_take >= 0)
		q->console = console_new(l, console_fd_take, q->g.dir, on_heard, &q->g);
}

static void
on_child_end(struct child *c, const struct child_result *r, void *arg)
{
	struct qemu_guest *q = arg;

	q->child = NULL;
	qemu_proc_ended(q, &r->status);
}

void
qemu_proc_ended(struct qemu_guest *q, const int *status)
{
	q->process_ended = true;
	q->status_known = status != NULL;
	q->status = status ? *status : 0;
	qemu_end_check(q);
}

static void
check_reaped(void *arg)
{
	struct qemu_guest *q = arg;
	struct pidfd_end end = { .mask = PIDFD_END_EXIT };
	unsigned checks = qemu_guard_may_tell(q) ? GUARD_CHECKS : REAP_CHECKS;
	bool tells, known;

	if (q->process_ended)
		return;
	tells = q->pidfd >= 0 && !ioctl(q->pidfd, PIDFD_GET_END, &end);
	known = tells && (end.mask & PIDFD_END_EXIT);
	/* A guard says more: whether it was the deadline. */
	if ((qemu_guard_may_tell(q) || (tells && !known)) &&
	    q->reap_checks++ < checks) {
		timer_after(q->reap_timer, REAP_CHECK_MS);
		return;
	}
	qemu_proc_ended(q, known ? &end.exit_code : NULL);
}

static void
on_watched_end(void *arg)
{
	check_reaped(arg);
}

int
qemu_proc_watch(struct qemu_guest *q, pid_t pid, uint64_t ticks, struct err *e)
{
	int rc = pid_watch_new(
	    q->g.engine->loop, pid, ticks, on_watched_end, q, &q->watch, e);

	if (rc)
		return rc;
	q->pidfd = pidfd_open(pid, 0);
	q->reap_timer = timer_new(q->g.engine->loop, check_reaped, q);
	q->reap_checks = 0;
	q->g.stat.pid = pid;
	q->g.stat.start_ticks = ticks;
	return 0;
}

void
qemu_proc_kill(struct qemu_guest *q)
{
	if (q->child)
		child_kill(q->child, SIGKILL);
	else if (q->guard && q->pidfd < 0)
		qemu_guard_kill(q);
	else if (q->pidfd >= 0 && pidfd_send_signal(q->pidfd, SIGKILL, NULL, 0) &&
		 errno != ESRCH)
		log_warn("engine", "%s: cannot kill process %d: %s", q->who,
		    (int)q->g.stat.pid, strerror(errno));
}

void
qemu_proc_release(struct qemu_guest *q)
{
	qemu_mirrors_drop(q);
	qmp_free(MOVE(q->qmp));
	console_free(MOVE(q->console));
	qga_free(MOVE(q->qga));
	if (q->child)
		child_free(MOVE(q->child));
	qemu_guard_drop(q);
	if (q->watch)
		pid_watch_free(MOVE(q->watch));
	timer_free(MOVE(q->reap_timer));
	if (q->pidfd >= 0)
		close(q->pidfd);
	q->pidfd = -1;
}

/* It may be whole elsewhere. */
static bool
has_left(const struct qemu_guest *q)
{
	return q->g.state == ENGINE_GIVEN ||
	       (q->g.state == ENGINE_LEAVING && q->leave.let_go);
}

/* The end is complete when the process is gone and its last words on QMP were read. */
void
qemu_end_check(struct qemu_guest *q)
{
	char reason[ENGINE_REASON_MAX];
	AUTO_FREE char *log = NULL;
	struct qemu_end_view v;
	enum engine_end end;
	/* On its way it is the other side's, or its move says so. */
	bool tell = !q->shows_end && q->g.state != ENGINE_ARRIVING && !has_left(q);

	if (!q->process_ended || (q->qmp && !qmp_is_lost(q->qmp)))
		return;
	log = qemu_log_tail(q);
	v = (struct qemu_end_view){
		.trace = &q->trace,
		.killed = q->asked == QEMU_ASKED_KILL,
		.asked = q->asked == QEMU_ASKED_SHUTDOWN,
		.suspended = q->memory_saved,
		.struck = *q->struck ? q->struck : NULL,
		.status_known = q->status_known,
		.status = q->status,
		.log = log,
	};
	end = qemu_end_decide(&v, reason);
	qemu_guard_release(q);
	qemu_proc_release(q);
	qemu_dir_clear(q);
	q->process_ended = false;
	engine_set_down(&q->g, end, reason);
	post_wake(q->g.engine->loop, q->exit_wake, 0, NULL);
	post_wake(q->g.engine->loop, q->undo_wake, 0, NULL);
	post_wake(q->g.engine->loop, q->saved_wake, 0, NULL);
	qemu_device_gone(q);
	if (tell && (end == ENGINE_END_GUEST || end == ENGINE_END_DIED))
		engine_emit(&q->g, ENGINE_EV_DOWN, reason);
}

static void
forget_past(struct qemu_guest *q)
{
	q->trace = (struct qemu_trace){ .shutdown_seen = false };
	q->asked = QEMU_ASKED_NOTHING;
	q->memory_saved = q->status_known = q->process_ended = q->half_started = false;
	q->given_up = q->guard_lost = false;
	*q->struck = '\0';
	q->away = QEMU_HERE;
	q->serves = false;
	*q->shift_to.path = '\0';
	qemu_shift_free(MOVE(q->shift));
	q->status = 0;
	q->g.stat = (struct engine_stat){ .pid = 0 };
}

static int
exec(struct qemu_guest *q, const struct qemu_args *a, const struct engine_boot *b,
    uint32_t uid, struct err *e)
{
	AUTO_FREE char *cwd = xasprintf("%s/" QEMU_OWN_FOLDER, q->g.dir);
	AUTO_FREE char *log = xasprintf("%s/stderr.log", q->g.dir);
	struct child_opts o = {
		.argv = (const char *const *)a->argv,
		.cwd = cwd,
		.pass_fds = a->fds,
		.n_pass_fds = a->n_fds,
		.stdout_path = log,
		.stderr_path = log,
		.uid = uid,
		.gid = uid ? q->qemu->gid : 0,
		.detach = true,
		.join_cgroups = b->join_cgroups,
	};
	pid_t pid;
	int rc;

	if (b->guard_until_us)
		return qemu_guard_start(q, &o, b->guard_until_us, e);
	rc = child_start(q->g.engine->loop, &o, on_child_end, q, &q->child, e);
	if (rc)
		return rc;
	pid = child_pid(q->child);
	q->g.stat.pid = pid;
	/* A process that has ended already is told about as one that died. */
	if (pid_start_ticks(pid, &q->g.stat.start_ticks, NULL))
		q->g.stat.start_ticks = 0;
	return 0;
}

static int
spawn_wired(struct qemu_guest *q, const struct engine_boot *b, struct wires *w,
    uint32_t uid, struct err *e)
{
	struct qemu_args_in in = {
		.program = q->qemu->program,
		.guest = q->g.number,
		.spec = b->spec,
		.shape = &q->shape,
		.disks = b->disks,
		.tap_fds = b->tap_fds,
		.memory_fd = b->memory_fd,
		.seed_fd = b->seed_fd,
	};
	struct qemu_args a;
	int rc = wires_open(q, w, e);

	if (rc)
		return rc;
	in.qmp_fd = w->qmp_listen;
	in.console_fd = w->console_listen;
	in.agent_fd = w->agent_listen;
	qemu_args_build(&in, &a);
	q->memory_child_fd = a.memory_child_fd;
	rc = exec(q, &a, b, uid, e);
	qemu_args_fini(&a);
	if (rc)
		return rc;
	qemu_attach(q, MOVE_FD(w->qmp), MOVE_FD(w->console));
	return qemu_run_save(q, e);
}

int
qemu_uid(const struct qemu_guest *q, uint32_t *ret_uid, struct err *e)
{
	*ret_uid = 0;
	if (geteuid() != 0)
		return 0;
	if (q->g.number > UINT32_MAX - 2 - q->qemu->uid_base)
		return err_set(e, ERR_UNSUPPORTED,
		    "its number is too large for a user id of its own");
	*ret_uid = q->qemu->uid_base + (uint32_t)q->g.number;
	return 0;
}

int
qemu_spawn(struct qemu_guest *q, const struct engine_boot *b, struct err *e)
{
	struct wires w = { -1, -1, -1, -1, -1 };
	uint32_t uid = 0;
	int rc = qemu_uid(q, &uid, e);

	if (rc)
		return rc;
	if (q->shape.layout != QEMU_LAYOUT)
		return err_set(e, ERR_UNSUPPORTED,
		    "its memory is that of an earlier version, whose devices sat"
		    " elsewhere");
	forget_past(q);
	qemu_limits_plan(q, b->spec);
	rc = qemu_dir_prepare(q, uid, q->qemu->gid, e);
	if (!rc)
		rc = spawn_wired(q, b, &w, uid, e);
	wires_close(&w);
	if (rc && (q->child || q->guard)) {
		qemu_proc_kill(q);
		qemu_proc_release(q);
	}
	if (rc)
		qemu_dir_clear(q);
	return rc;
}

/* Field n of /proc/PID/stat; from is behind the name, where field 3 begins. */
static uint64_t
stat_field(const char *from, int n)
{
	for (int field = 2; field < n && from; field++)
		from = strchr(from + 1, ' ');
	return from ? strtoull(from, NULL, 10) : 0;
}

void
qemu_proc_stat(struct qemu_guest *q)
{
	struct engine_stat *s = &q->g.stat;
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)s->pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t tick_us = US_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	char buf[1024], *p;
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	s->num_cpu = q->shape.num_cpu;
	s->memory_mb = qemu_shape_mb(&q->shape);
	if (n <= 0)
		return;
	buf[n] = '\0';
	/* The name in parentheses may hold anything. */
	p = strrchr(buf, ')');
	if (!p)
		return;
	s->cpu_used_us =
	    (stat_field(p, STAT_USER) + stat_field(p, STAT_SYSTEM)) * tick_us;
	s->memory_used_bytes =
	    stat_field(p, STAT_RESIDENT) * (uint64_t)sysconf(_SC_PAGESIZE);
}
