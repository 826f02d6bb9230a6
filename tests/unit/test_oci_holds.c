#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_holds.h"

#define RING_BYTES 4096

/* What a program inside does before it is looked at; false: the kernel refuses. */
typedef bool (*act_fn)(void);

static bool
rest(void)
{
	return true;
}

/* A child that makes pid namespaces of its own, where flags say so. */
static pid_t
begin_with(unsigned long flags, act_fn act)
{
	bool able = false;
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		able = act();
		close(ready[0]);
		if (write(ready[1], &able, sizeof(able)) != sizeof(able))
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	close(ready[1]);
	if (read(ready[0], &able, sizeof(able)) != sizeof(able))
		able = false;
	close(ready[0]);
	if (able)
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}

/* The first process of a pid namespace, as a container's is. */
static pid_t
begin(unsigned long flags, act_fn act)
{
	pid_t pid;

	if (geteuid())
		skip();
	pid = begin_with(CLONE_NEWPID | flags, act);
	if (!pid)
		skip();
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
expect(pid_t first, const char *want)
{
	struct oci_holds h;
	struct err e = ERR_INIT;

	if (oci_holds_find(first, &h, &e))
		fail_msg("%s", e.msg);
	if (!want) {
		if (h.n)
			fail_msg("%s", h.v[0]);
	} else if (h.n != 1 || !strstr(h.v[0], want)) {
		fail_msg("%zu: %s, not %s", h.n, h.n ? h.v[0] : "nothing", want);
	}
	oci_holds_fini(&h);
}

static void
expect_of(act_fn act, const char *want)
{
	pid_t first = begin(0, act);

	expect(first, want);
	end(first);
}

/* ---- what programs open ---- */

static bool
open_much(void)
{
	int pair[2], ends[2];

	return !socketpair(AF_UNIX, SOCK_STREAM, 0, pair) && !pipe(ends) &&
	       socket(AF_INET, SOCK_STREAM, 0) >= 0 &&
	       socket(AF_INET6, SOCK_DGRAM, 0) >= 0 &&
	       socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0 &&
	       socket(AF_PACKET, SOCK_RAW, 0) >= 0 &&
	       socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0 &&
	       open("/dev/urandom", O_RDONLY) >= 0 && open("/dev/ptmx", O_RDWR) >= 0;
}

static bool
open_ring(void)
{
	struct io_uring_params p = { .flags = 0 };

	return syscall(SYS_io_uring_setup, 4, &p) >= 0;
}

static bool
map_ring(void)
{
	struct io_uring_params p = { .flags = 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	void *at =
	    fd < 0 ? MAP_FAILED : mmap(NULL, RING_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	return at != MAP_FAILED && !close(fd);
}

static bool
open_counter(void)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_CPU_CLOCK,
	};

	return syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) >= 0;
}

static bool
open_map(void)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	a.map_type = BPF_MAP_TYPE_ARRAY;
	a.key_size = a.value_size = 4;
	a.max_entries = 1;
	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)) >= 0;
}

static bool
open_userfault(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC) >= 0;
}

static bool
open_kvm(void)
{
	return open("/dev/kvm", O_RDWR) >= 0;
}

/* Its major is 10, as is that of most that a kernel has for itself. */
static bool
open_device(void)
{
	return open("/dev/loop-control", O_RDWR) >= 0;
}

static bool
open_ping(void)
{
	static const char all[] = "0 2147483647";
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);

	return fd >= 0 && write(fd, all, sizeof(all) - 1) > 0 &&
	       socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) >= 0;
}

static bool
open_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0) >= 0;
}

static bool
listen_unread(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };

	struct {
		struct nlmsghdr head;
		struct rtgenmsg what;
	} ask = {
		.head = { sizeof(ask), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.what = { AF_UNSPEC },
	};
	struct pollfd p = { .fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
		.events = POLLIN };

	return p.fd >= 0 && !bind(p.fd, (struct sockaddr *)&a, sizeof(a)) &&
	       send(p.fd, &ask, sizeof(ask), 0) > 0 && poll(&p, 1, -1) == 1;
}

static bool
listen_widely(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), group = RTNLGRP_NSID;

	/* The first 32 can be named in the address, the others not. */
	for (group = 1; group <= 33 && fd >= 0; group += 32)
		if (setsockopt(
			fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			return false;
	return fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a));
}

static bool
leave_network(void)
{
	return begin_with(CLONE_NEWNET, rest) > 0;
}

/* ---- cases ---- */

static void
what_can_be_saved_is_no_obstacle(void **state)
{
	expect_of(rest, NULL);
	expect_of(open_much, NULL);
}

static void
an_io_uring_is_found(void **state)
{
	expect_of(open_ring, "uses io_uring");
}

static void
what_was_closed_is_found_where_it_is_mapped(void **state)
{
	expect_of(map_ring, "uses io_uring");
}

static void
a_performance_counter_is_found(void **state)
{
	expect_of(open_counter, "uses a performance counter");
}

static void
a_bpf_map_is_found(void **state)
{
	expect_of(open_map, "uses a BPF program or map");
}

static void
a_userfaultfd_is_found(void **state)
{
	expect_of(open_userfault, "uses userfaultfd");
}

static void
a_virtual_machine_is_found(void **state)
{
	expect_of(open_kvm, "uses /dev/kvm");
}

static void
a_device_is_found(void **state)
{
	expect_of(open_device, "has the device /dev/loop-control open");
}

static void
a_ping_socket_is_found(void **state)
{
	pid_t first = begin(CLONE_NEWNET, open_ping);

	expect(first, "uses a ping socket");
	end(first);
}

static void
a_vsock_is_found(void **state)
{
	expect_of(open_vsock, "uses a vsock socket");
}

static void
unread_netlink_is_found(void **state)
{
	expect_of(listen_unread, "did not read yet");
}

static void
many_groups_of_netlink_are_found(void **state)
{
	expect_of(listen_widely, "more groups of netlink");
}

static void
a_network_namespace_made_inside_is_found(void **state)
{
	expect_of(leave_network, "has a network namespace of its own");
}

/* Both ends are in the host's network namespace; one is inside. */
static void
a_socket_that_leads_outside_is_found(void **state)
{
	int ends[2];
	pid_t first;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	first = begin(CLONE_NEWNET, rest);
	expect(first, "has a socket that leads outside");
	end(first);
	close(ends[0]);
	close(ends[1]);
}

static void
somebody_who_came_in_from_outside_is_found(void **state)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int there = -1;
	pid_t first = begin(0, rest), guest;

	path = xasprintf("/proc/%d/ns/pid", (int)first);
	there = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(there, CLONE_NEWPID), 0);
	guest = begin_with(0, rest);
	assert_int_equal(setns(own, CLONE_NEWPID), 0);
	expect(first, "was started from outside: a session is open");
	end(guest);
	expect(first, NULL);
	end(first);
}

static void
a_debugger_is_found(void **state)
{
	pid_t first = begin(0, rest);

	assert_int_equal(ptrace(PTRACE_SEIZE, first, NULL, NULL), 0);
	expect(first, "is being traced by a debugger");
	end(first);
}

static void
who_is_gone_cannot_be_looked_at(void **state)
{
	struct oci_holds h;
	struct err e = ERR_INIT;
	pid_t first = begin(0, rest);

	end(first);
	assert_int_equal(oci_holds_find(first, &h, &e), ERR_NOT_FOUND);
	oci_holds_fini(&(struct oci_holds){ .n = 0 });
}

static void
kinds_of_sockets(void **state)
{
	assert_null(oci_holds_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
	assert_null(oci_holds_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
	assert_string_equal(oci_holds_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP),
	    "a multipath TCP socket");
	assert_string_equal(
	    oci_holds_socket(AF_INET6, SOCK_SEQPACKET, IPPROTO_SCTP), "an SCTP socket");
	assert_non_null(oci_holds_socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP));
	assert_non_null(oci_holds_socket(AF_ALG, SOCK_SEQPACKET, 0));
	assert_non_null(oci_holds_socket(AF_TIPC, SOCK_RDM, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_saved_is_no_obstacle),
		cmocka_unit_test(an_io_uring_is_found),
		cmocka_unit_test(what_was_closed_is_found_where_it_is_mapped),
		cmocka_unit_test(a_performance_counter_is_found),
		cmocka_unit_test(a_bpf_map_is_found),
		cmocka_unit_test(a_userfaultfd_is_found),
		cmocka_unit_test(a_virtual_machine_is_found),
		cmocka_unit_test(a_device_is_found),
		cmocka_unit_test(a_ping_socket_is_found),
		cmocka_unit_test(a_vsock_is_found),
		cmocka_unit_test(unread_netlink_is_found),
		cmocka_unit_test(many_groups_of_netlink_are_found),
		cmocka_unit_test(a_network_namespace_made_inside_is_found),
		cmocka_unit_test(a_socket_that_leads_outside_is_found),
		cmocka_unit_test(somebody_who_came_in_from_outside_is_found),
		cmocka_unit_test(a_debugger_is_found),
		cmocka_unit_test(who_is_gone_cannot_be_looked_at),
		cmocka_unit_test(kinds_of_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
