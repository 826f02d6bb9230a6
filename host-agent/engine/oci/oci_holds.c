#include "host-agent/engine/oci/oci_holds.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define HOLDS_MAX     32 /* more are not read by anybody */
#define PROCS_MAX     65536
#define LINK_LEN      256
#define LINE_LEN      512
#define MEM_MAJOR     1 /* null, zero, full, random, urandom, kmsg */
#define TTY_MAJOR     5 /* tty, ptmx */
#define PTS_MAJOR     136
#define NETLINK_BELOW 32 /* groups that CRIU can name */

/* ---- what can be saved ---- */

const char *
oci_holds_name(const char *link)
{
	static const struct {
		const char *begins, *what;
	} all[] = {
		{ "anon_inode:[io_uring]", "io_uring" },
		{ "anon_inode:[perf_event]", "a performance counter" },
		{ "anon_inode:bpf", "a BPF program or map" },
		{ "anon_inode:[bpf", "a BPF program or map" },
		{ "anon_inode:[userfaultfd]", "userfaultfd" },
		{ "anon_inode:kvm", "a virtual machine" },
		{ "anon_inode:[fanotify]", "a fanotify watch" },
		{ "anon_inode:[landlock", "a Landlock rule set" },
		{ "anon_inode:seccomp", "a seccomp listener" },
		{ "/dev/net/tun", "/dev/net/tun" },
		{ "/dev/fuse", "/dev/fuse" },
		{ "/dev/kvm", "/dev/kvm" },
		{ "/secretmem", "secret memory" },
		{ "/dev/mqueue/", "a POSIX message queue" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (str_starts(link, all[i].begins))
			return all[i].what;
	return NULL;
}

static const char *
inet_socket(int type, int protocol)
{
	/* A raw one may carry any. */
	if (type == SOCK_RAW)
		return NULL;
	switch (protocol) {
	case IPPROTO_IP:
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return NULL;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "a ping socket";
	case IPPROTO_SCTP:
		return "an SCTP socket";
	case IPPROTO_MPTCP:
		return "a multipath TCP socket";
	default:
		return "a socket of a protocol that CRIU does not know";
	}
}

const char *
oci_holds_socket(int domain, int type, int protocol)
{
	switch (domain) {
	case AF_UNIX:
	case AF_NETLINK:
	case AF_PACKET:
		return NULL;
	case AF_INET:
	case AF_INET6:
		return inet_socket(type, protocol);
	case AF_VSOCK:
		return "a vsock socket";
	case AF_ALG:
		return "a socket for the kernel's cryptography";
	default:
		return "a socket of a family that CRIU does not know";
	}
}

/* A device that only its own kernel knows. */
static bool
is_foreign_device(const struct stat *st)
{
	unsigned kind = major(st->st_rdev);

	if (S_ISBLK(st->st_mode))
		return true;
	return S_ISCHR(st->st_mode) && kind != MEM_MAJOR && kind != TTY_MAJOR &&
	       (kind < PTS_MAJOR || kind > PTS_MAJOR + 7);
}

/* ---- one process ---- */

struct look {
	struct oci_holds *h;
	char root_ns[LINK_LEN], net_ns[LINK_LEN]; /* of its first process */
	uint64_t first;
	unsigned n_procs;
};

struct process {
	const char *pid;
	int pidfd; /* -1: it is gone, or the kernel has none */
	char name[32];
};

static bool
read_link(const char *pid, const char *name, char buf[LINK_LEN])
{
	AUTO_FREE char *path = xasprintf("/proc/%s/%s", pid, name);
	ssize_t n = readlink(path, buf, LINK_LEN - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Whoever is inside chose it: nothing of it may steer who reads it. */
static void
read_name(struct process *p)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/comm", p->pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, p->name, sizeof(p->name) - 1);

	if (n <= 0)
		return;
	p->name[n] = '\0';
	p->name[strcspn(p->name, "\n")] = '\0';
	for (char *s = p->name; *s; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s >= 0x7f)
			*s = '?';
}

static void
say(struct look *k, const struct process *p, const char *what)
{
	AUTO_FREE char *text = xasprintf("process %s (%s) %s", p->pid, p->name, what);

	for (size_t i = 0; i < k->h->n; i++)
		if (str_same(k->h->v[i], text))
			return;
	if (k->h->n == HOLDS_MAX)
		return;
	k->h->v = xreallocarray(k->h->v, k->h->n + 1, sizeof(*k->h->v));
	k->h->v[k->h->n++] = MOVE(text);
}

static void
say_uses(struct look *k, const struct process *p, const char *what)
{
	AUTO_FREE char *text = xasprintf("uses %s", what);

	say(k, p, text);
}

/* ---- sockets ---- */

static int
option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? 0 : value;
}

/* In a network namespace that is not its first process's. */
static bool
is_from_outside(const struct look *k, int fd)
{
	AUTO_CLOSE int ns = ioctl(fd, SIOCGSKNS);
	char link[LINK_LEN], name[32];

	if (ns < 0)
		return false;
	snprintf(name, sizeof(name), "fd/%d", ns);
	return read_link("self", name, link) && !str_same(link, k->net_ns);
}

/* CRIU names 32 groups, of a socket that has an address, and drops no message. */
static const char *
netlink_trouble(int fd)
{
	uint32_t groups[NETLINK_BELOW] = { 0 };
	struct pollfd unread = { .fd = fd, .events = POLLIN };
	struct sockaddr_nl self = { .nl_pid = 0 };
	socklen_t len = sizeof(groups), self_len = sizeof(self);
	bool any = false;

	if (poll(&unread, 1, 0) == 1 && unread.revents & POLLIN)
		return "has messages of the kernel that it did not read yet";
	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(groups) && i * sizeof(*groups) < len; i++) {
		any = any || groups[i];
		if (i && groups[i])
			return "listens to more groups of netlink than CRIU can name";
	}
	if (any && !getsockname(fd, (struct sockaddr *)&self, &self_len) &&
	    !self.nl_pid)
		return "listens to netlink without an address";
	return NULL;
}

static void
check_socket(struct look *k, const struct process *p, const char *number)
{
	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
	AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_getfd, p->pidfd, atoi(number), 0);
	const char *what;
	int domain;

	if (fd < 0)
		return;
	domain = option(fd, SO_DOMAIN);
	what = oci_holds_socket(domain, option(fd, SO_TYPE), option(fd, SO_PROTOCOL));
	if (what)
		say_uses(k, p, what);
	else if (is_from_outside(k, fd))
		say(k, p, "has a socket that leads outside");
	else if (domain == AF_NETLINK && (what = netlink_trouble(fd)))
		say(k, p, what);
}

/* ---- what is open and mapped ---- */

static void
check_fd(struct look *k, const struct process *p, const char *fd)
{
	AUTO_FREE char *name = xasprintf("fd/%s", fd);
	AUTO_FREE char *path = xasprintf("/proc/%s/%s", p->pid, name);
	AUTO_FREE char *what = NULL;
	char link[LINK_LEN];
	struct stat st;

	if (!read_link(p->pid, name, link))
		return;
	if (oci_holds_name(link)) {
		say_uses(k, p, oci_holds_name(link));
	} else if (str_starts(link, "socket:")) {
		check_socket(k, p, fd);
	} else if (*link == '/' && !stat(path, &st) && is_foreign_device(&st)) {
		what = xasprintf("has the device %.64s open", link);
		say(k, p, what);
	}
}

static void
check_fds(struct look *k, const struct process *p)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/fd", p->pid);
	DIR *d = opendir(path);
	const struct dirent *f;

	while (d && (f = readdir(d)))
		if (*f->d_name != '.')
			check_fd(k, p, f->d_name);
	if (d)
		closedir(d);
}

/* "7f00-7f01 rw-s 00000000 00:05 4  /dev/mem": what was closed stays mapped.  Only
 * where it may be a device is it looked at closely: programs map many files. */
static void
check_map(struct look *k, const struct process *p, const char *line)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *what = NULL;
	char range[40], rights[8], name[LINK_LEN] = "";
	struct stat st;

	if (sscanf(line, "%39s %7s %*s %*s %*s %255s", range, rights, name) < 3)
		return;
	if (oci_holds_name(name)) {
		say_uses(k, p, oci_holds_name(name));
		return;
	}
	if (!str_starts(name, "/dev/") && (*name != '/' || rights[3] != 's'))
		return;
	path = xasprintf("/proc/%s/map_files/%s", p->pid, range);
	if (stat(path, &st) || !is_foreign_device(&st))
		return;
	what = xasprintf("has the device %.64s mapped", name);
	say(k, p, what);
}

static void
check_maps(struct look *k, const struct process *p)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/maps", p->pid);
	FILE *f = fopen(path, "re");
	char line[LINE_LEN];

	while (f && fgets(line, sizeof(line), f))
		check_map(k, p, line);
	if (f)
		fclose(f);
}

/* ---- who else has it in hand ---- */

static void
check_status(struct look *k, const struct process *p)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/status", p->pid);
	FILE *f = fopen(path, "re");
	char line[LINE_LEN];

	while (f && fgets(line, sizeof(line), f)) {
		uint64_t tracer = 0;

		line[strcspn(line, "\n")] = '\0';
		if (str_starts(line, "TracerPid:\t") &&
		    !parse_u64(line + 11, 0, INT32_MAX, "pid", &tracer, NULL) && tracer)
			say(k, p, "is being traced by a debugger");
	}
	if (f)
		fclose(f);
}

/* Who was put in from outside and is not a child of anything inside. */
static void
check_parent(struct look *k, const struct process *p)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/stat", p->pid);
	FILE *f = fopen(path, "re");
	char line[LINE_LEN] = "", parent[24], ns[LINK_LEN];
	char *end, *rest;
	long ppid;

	if (!f)
		return;
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	/* ") S 4711 …" */
	if (!end || strlen(end) < 5)
		return;
	ppid = strtol(end + 4, &rest, 10);
	if (rest == end + 4 || ppid <= 0)
		return;
	snprintf(parent, sizeof(parent), "%ld", ppid);
	if (read_link(parent, "ns/pid", ns) && !str_same(ns, k->root_ns))
		say(k, p, "was started from outside: a session is open");
}

static void
check_process(struct look *k, const char *pid, uint64_t number)
{
	struct process p = { .pid = pid, .name = "?" };
	char net[LINK_LEN];

	p.pidfd = (int)syscall(SYS_pidfd_open, (pid_t)number, 0);
	read_name(&p);
	check_fds(k, &p);
	check_maps(k, &p);
	check_status(k, &p);
	if (number != k->first)
		check_parent(k, &p);
	if (read_link(pid, "ns/net", net) && !str_same(net, k->net_ns))
		say(k, &p, "has a network namespace of its own");
	if (p.pidfd >= 0)
		close(p.pidfd);
}

int
oci_holds_find(pid_t first, struct oci_holds *ret_h, struct err *e)
{
	struct oci_holds h = { .n = 0 };
	struct look k = { .h = &h, .first = (uint64_t)first };
	char name[16], ns[LINK_LEN];
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	uint64_t pid;

	snprintf(name, sizeof(name), "%d", (int)first);
	if (!proc || !read_link(name, "ns/pid", k.root_ns) ||
	    !read_link(name, "ns/net", k.net_ns)) {
		if (proc)
			closedir(proc);
		return err_set(e, ERR_NOT_FOUND, "its processes cannot be looked at");
	}
	while (k.n_procs < PROCS_MAX && (d = readdir(proc))) {
		if (parse_u64(d->d_name, 2, INT32_MAX, "pid", &pid, NULL) ||
		    !read_link(d->d_name, "ns/pid", ns) || !str_same(ns, k.root_ns))
			continue;
		k.n_procs++;
		check_process(&k, d->d_name, pid);
	}
	closedir(proc);
	*ret_h = h;
	return 0;
}

void
oci_holds_fini(struct oci_holds *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->v[i]);
	free(h->v);
	*h = (struct oci_holds){ .n = 0 };
}
