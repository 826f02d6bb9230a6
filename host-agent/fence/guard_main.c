#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host-agent/fence/guard_int.h"
#include "host-agent/fence/lease_file.h"

#define US_PER_S  1000000u
#define NS_PER_US 1000u
/* How long one waits to be asked how the guest ended, when no agent comes back. */
#define LINGER_MS 600000

enum { AT_LISTEN, AT_CLIENT, AT_CHILD, N_POLLED };

struct guard {
	timer_t timer;
	struct guard_say now; /* how things stand */
	int pidfd;            /* of the first process, -1: none */
	int released;         /* nobody asks how it ends */
	struct pollfd polled[N_POLLED];
};

/* ---- the kernel's timer ---- */

static uint64_t
boot_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / NS_PER_US;
}

static int
set_deadline(struct guard *g, uint64_t us)
{
	struct itimerspec t = { .it_value = { .tv_sec = (time_t)(us / US_PER_S),
				    .tv_nsec = (long)(us % US_PER_S * NS_PER_US) } };

	/* The beginning of time is long past, but 0 would switch the timer off. */
	if (us == 0)
		t.it_value.tv_nsec = 1;
	if (timer_settime(g->timer, TIMER_ABSTIME, &t, NULL))
		return -1;
	g->now.deadline_us = us;
	g->now.flags |= GUARD_IS_ARMED;
	return 0;
}

static int
clear_deadline(struct guard *g)
{
	static const struct itimerspec never;

	if (timer_settime(g->timer, 0, &never, NULL))
		return -1;
	g->now.deadline_us = 0;
	g->now.flags &= ~GUARD_IS_ARMED;
	return 0;
}

/* The timer is set before there is anything to kill. */
static int
arm_first(struct guard *g, const struct guard_plan *p)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };

	if (timer_create(CLOCK_BOOTTIME, &ev, &g->timer) ||
	    (p->armed && set_deadline(g, p->deadline_us))) {
		fprintf(stderr, "drover-guard: cannot set its timer: %s\n",
		    strerror(errno));
		return -1;
	}
	/* The timer needs no memory of ours, only what renews it does: without the
	 * right to lock it the guest is as safe, just less sure to live. */
	if (!mlockall(MCL_CURRENT | MCL_FUTURE))
		g->now.flags |= GUARD_IS_LOCKED;
	return 0;
}

/* ---- the agent ---- */

static void
drop_client(struct guard *g)
{
	if (g->polled[AT_CLIENT].fd >= 0)
		close(g->polled[AT_CLIENT].fd);
	g->polled[AT_CLIENT].fd = -1;
}

enum with_pidfd { WITHOUT_PIDFD, WITH_PIDFD };

static void
say(struct guard *g, uint64_t serial, enum with_pidfd with)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room = { .bytes = { 0 } };
	struct iovec v = { &g->now, sizeof(g->now) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (g->polled[AT_CLIENT].fd < 0)
		return;
	g->now.serial = serial;
	if (with == WITH_PIDFD && g->pidfd >= 0) {
		m.msg_control = room.bytes;
		m.msg_controllen = sizeof(room.bytes);
		head = CMSG_FIRSTHDR(&m);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &g->pidfd, sizeof(int));
	}
	/* Who does not listen comes back and asks.  What one who has hung up said
	 * before is still to be heard: hear_client finds the end behind it. */
	if (sendmsg(g->polled[AT_CLIENT].fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EPIPE && errno != ECONNRESET)
		drop_client(g);
}

/* The longest lease, and the time that an order may have been under way. */
static int
is_plausible(uint64_t deadline_us)
{
	return deadline_us <= boot_us() + UINT64_C(2) * LEASE_MAX_MS * 1000;
}

static void
obey(struct guard *g, const struct guard_ask *a)
{
	/* When all has ended there is nothing left to kill. */
	int lives = g->now.phase == GUARD_RUNNING;

	switch (a->verb) {
	case GUARD_ARM:
		if (lives && is_plausible(a->deadline_us) &&
		    set_deadline(g, a->deadline_us))
			_exit(1);
		break;
	case GUARD_DISARM:
		if (clear_deadline(g))
			_exit(1);
		break;
	case GUARD_KILL:
		if (lives)
			pidfd_send_signal(g->pidfd, SIGKILL, NULL, 0);
		break;
	case GUARD_RELEASE:
		if (!lives)
			_exit(0);
		g->released = 1;
		break;
	case GUARD_HELLO:
		g->released = 0;
		break;
	default:
		break;
	}
	say(g, a->serial, a->verb == GUARD_HELLO ? WITH_PIDFD : WITHOUT_PIDFD);
}

static void
hear_client(struct guard *g)
{
	struct guard_ask a = { 0 };
	ssize_t n = recv(g->polled[AT_CLIENT].fd, &a, sizeof(a), MSG_DONTWAIT);

	/* A reset is told before what was said until then. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
		return;
	if (n != (ssize_t)sizeof(a) || a.magic != GUARD_MAGIC || a.version < 1)
		drop_client(g);
	else
		obey(g, &a);
}

/* The last agent to come is the one: whoever was before it renews nothing any more. */
static void
take_client(struct guard *g)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who);
	int fd =
	    accept4(g->polled[AT_LISTEN].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) || who.uid != geteuid()) {
		close(fd);
		return;
	}
	drop_client(g);
	g->polled[AT_CLIENT].fd = fd;
}

/* ---- the guest ---- */

/* A namespace's first process can be reaped only after all others in it were. */
static void
bury(struct guard *g)
{
	siginfo_t end = { .si_pid = 0 };

	if (waitid(P_PIDFD, (id_t)g->pidfd, &end, WEXITED | WNOHANG) || end.si_pid == 0)
		return;
	g->polled[AT_CHILD].fd = -1;
	g->now.phase = GUARD_ENDED;
	g->now.status = end.si_code == CLD_EXITED ? end.si_status << 8 : end.si_status;
	if (g->released)
		_exit(0);
	if (clear_deadline(g))
		_exit(1);
	say(g, 0, WITHOUT_PIDFD);
}

static _Noreturn void
watch(struct guard *g)
{
	for (;;) {
		int lives = g->now.phase == GUARD_RUNNING;
		int n = poll(g->polled, N_POLLED, lives ? -1 : LINGER_MS);

		if (n == 0)
			_exit(0);
		if (n < 0)
			continue;
		if (g->polled[AT_CHILD].revents)
			bury(g);
		if (g->polled[AT_CLIENT].fd >= 0 && g->polled[AT_CLIENT].revents)
			hear_client(g);
		if (g->polled[AT_LISTEN].revents)
			take_client(g);
	}
}

static int
run(const struct guard_plan *p)
{
	struct guard g = {
		.now = { .magic = GUARD_MAGIC,
		    .version = GUARD_VERSION,
		    .phase = GUARD_RUNNING },
		.polled = { [AT_LISTEN] = { .fd = p->listen_fd, .events = POLLIN },
		    [AT_CLIENT] = { .fd = -1, .events = POLLIN },
		    [AT_CHILD] = { .fd = -1, .events = POLLIN } },
	};
	struct guard_failure why;
	pid_t pid;

	if (fcntl(p->listen_fd, F_SETFD, FD_CLOEXEC) || arm_first(&g, p))
		return 1;
	guard_fork(p, &pid, &why);
	if (why.stage != GUARD_STAGE_NONE) {
		g.now.phase = GUARD_FAILED;
		g.now.stage = why.stage;
		g.now.sys = why.sys;
		if (clear_deadline(&g))
			return 1;
	}
	guard_let_go(p->listen_fd);
	g.polled[AT_LISTEN].fd = 3;
	g.now.pid = pid;
	g.pidfd = pid ? pidfd_open(pid, 0) : -1;
	g.polled[AT_CHILD].fd = g.pidfd;
	watch(&g);
}

/* ---- the command line ---- */

int
guard_number(const char *s, uint64_t *ret_n)
{
	char *end;

	errno = 0;
	*ret_n = strtoull(s, &end, 10);
	return errno || end == s || *end ? -1 : 0;
}

static int
take_option(struct guard_plan *p, const char *name, const char *value)
{
	uint64_t n = 0;

	if (!strcmp(name, "--cgroup")) {
		if (p->n_cgroups == GUARD_CGROUPS_MAX)
			return -1;
		p->cgroups[p->n_cgroups++] = value;
		return 0;
	}
	if (guard_number(value, &n))
		return -1;
	if (!strcmp(name, "--deadline")) {
		p->armed = true;
		p->deadline_us = n;
	} else if (!strcmp(name, "--listen")) {
		p->listen_fd = (int)n;
	} else if (!strcmp(name, "--uid")) {
		p->uid = (uint32_t)n;
	} else if (!strcmp(name, "--gid")) {
		p->gid = (uint32_t)n;
	} else {
		return -1;
	}
	return 0;
}

/* Behind the command's name; *ret_program is what comes behind "--", or NULL. */
static int
take_options(char **args, struct guard_plan *p)
{
	for (; *args && strcmp(*args, "--") != 0; args += 2)
		if (!args[1] || take_option(p, args[0], args[1]))
			return -1;
	p->program = *args && args[1] ? args + 1 : NULL;
	return p->listen_fd >= 3 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct guard_plan p = { .listen_fd = -1 };

	if (argc > 2 && !strcmp(argv[1], "enter"))
		return guard_enter(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "run") && !take_options(argv + 2, &p) &&
	    p.program)
		return run(&p);
	if (argc > 2 && !strcmp(argv[1], "hold") && !take_options(argv + 2, &p) &&
	    !p.program)
		return run(&p);
	fprintf(stderr, "usage: drover-guard run|hold|enter …\n");
	return 2;
}
