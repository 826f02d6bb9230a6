#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/network/port.h"
#include "host-agent/stage/stage_int.h"

#define STATE_MAX   65536 /* of what a runtime tells its hooks */
#define MAC_BYTES   6
#define LOOPBACK    1 /* its index in every network namespace */
#define HOST_PREFIX 32

struct address {
	int family;
	uint8_t bytes[16];
	size_t n;
	uint8_t prefix;
};

struct nic {
	pid_t pid;
	const char *link, *name;
	uint8_t mac[MAC_BYTES];
	bool has_address, has_gateway, has_port;
	struct address address, gateway;
	struct port_spec port; /* what to make if there is no link */
};

/* ---- what the command line says ---- */

static int
link_name_check(const char *s, struct err *e)
{
	int rc = stage_word_check(s, "name of a link", e);

	if (rc)
		return rc;
	if (strlen(s) >= IFNAMSIZ || strpbrk(s, "/%:") || str_same(s, ".") ||
	    str_same(s, ".."))
		return err_set(e, ERR_INVALID, "\"%.40s\" is no name of a link", s);
	return 0;
}

static int
parse_mac(const char *s, uint8_t mac[MAC_BYTES], struct err *e)
{
	char hex[sizeof("000000000000")];

	if (strlen(s) != sizeof("00:00:00:00:00:00") - 1)
		return err_set(e, ERR_INVALID, "\"%.40s\" is no MAC address", s);
	for (size_t i = 0; i < MAC_BYTES; i++) {
		if (i && s[3 * i - 1] != ':')
			return err_set(e, ERR_INVALID, "\"%s\" is no MAC address", s);
		memcpy(&hex[2 * i], &s[3 * i], 2);
	}
	hex[sizeof(hex) - 1] = '\0';
	if (hex_decode(hex, mac, MAC_BYTES, NULL) || mac[0] & 1)
		return err_set(e, ERR_INVALID, "\"%s\" is no MAC address", s);
	return 0;
}

/* "10.1.2.3/24" or "10.1.2.3". */
static int
parse_address(const char *s, struct address *ret_a, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(s);
	char *slash = strchr(copy, '/');
	struct address a = { .family = AF_INET, .n = 4, .prefix = HOST_PREFIX };
	uint64_t prefix = HOST_PREFIX;

	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, copy, a.bytes) != 1) {
		a.family = AF_INET6;
		a.n = 16;
		prefix = 128;
		if (inet_pton(AF_INET6, copy, a.bytes) != 1)
			return err_set(e, ERR_INVALID, "\"%.60s\" is no IP address", s);
	}
	if (slash && parse_u64(slash + 1, 0, a.n * 8, "prefix length", &prefix, e))
		return err_wrap(e, "\"%.60s\"", s);
	a.prefix = (uint8_t)prefix;
	*ret_a = a;
	return 0;
}

/* The process that the runtime tells its hooks about. */
static int
read_state(pid_t *ret_pid, struct err *e)
{
	AUTO_FREE char *buf = xmalloc(STATE_MAX);
	AUTO(json) json *state = NULL;
	size_t n = 0;
	uint64_t pid = 0;
	ssize_t got;
	int rc;

	while ((got = read(STDIN_FILENO, buf + n, STATE_MAX - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		return err_sys(e, ERR_IO, errno, "cannot read the container's state");
	rc = json_parse(buf, n, "the container's state", &state, e);
	if (!rc)
		rc = json_read_u64(state, "pid", JSON_REQUIRED, 1, INT32_MAX, &pid, e);
	*ret_pid = (pid_t)pid;
	return rc;
}

/* GUEST SLOT BRIDGE VLAN RX_KBIT TX_KBIT */
static int
take_port(char **args, struct port_spec *p, struct err *e)
{
	uint64_t slot, vlan;
	int rc;

	for (int i = 0; i < 6; i++)
		if (!args[i])
			return err_set(e, ERR_INVALID,
			    "nic: wants GUEST SLOT BRIDGE VLAN RX_KBIT TX_KBIT");
	rc = parse_u64(args[0], 1, UINT64_MAX, "guest", &p->guest, e);
	if (!rc)
		rc = parse_u64(args[1], 0, UINT16_MAX, "slot", &slot, e);
	if (!rc)
		rc = parse_u64(args[3], 0, UINT16_MAX, "vlan", &vlan, e);
	if (!rc)
		rc = parse_u64(args[4], 0, UINT64_MAX, "rate", &p->rx_kbit, e);
	if (!rc)
		rc = parse_u64(args[5], 0, UINT64_MAX, "rate", &p->tx_kbit, e);
	if (rc)
		return rc;
	p->nic = (unsigned)slot;
	p->bridge = args[2];
	p->vlan = (uint32_t)vlan;
	return 0;
}

static int
take_nic(char **args, struct nic *n, struct err *e)
{
	int rc;

	for (int i = 0; i < 5; i++)
		if (!args[i])
			return err_set(
			    e, ERR_INVALID, "nic: wants LINK NAME MAC ADDRESS GATEWAY");
	n->link = args[0];
	n->name = args[1];
	n->has_address = *args[3] != '\0';
	n->has_gateway = *args[4] != '\0';
	rc = link_name_check(n->link, e);
	if (!rc)
		rc = link_name_check(n->name, e);
	if (!rc)
		rc = parse_mac(args[2], n->mac, e);
	if (!rc && n->has_address)
		rc = parse_address(args[3], &n->address, e);
	if (!rc && n->has_gateway)
		rc = parse_address(args[4], &n->gateway, e);
	if (rc || !args[5])
		return rc;
	n->has_port = true;
	n->port.mac = args[2];
	n->port.address = args[3];
	return take_port(args + 5, &n->port, e);
}

/* ---- the kernel's links ---- */

static struct nl_sock *
dial(struct err *e)
{
	struct nl_sock *s = nl_socket_alloc();
	int rc = s ? nl_connect(s, NETLINK_ROUTE) : -NLE_NOMEM;

	if (!rc)
		return s;
	err_set(
	    e, ERR_UNAVAILABLE, "cannot reach the kernel's links: %s", nl_geterror(rc));
	nl_socket_free(s);
	return NULL;
}

/* The kernel dies with us if there is no memory. */
static void
put(struct nl_msg *m, int attr, const void *p, size_t n)
{
	if (nla_put(m, attr, (int)n, p))
		abort();
}

static struct nl_msg *
request(int type, int flags, const void *head, size_t n)
{
	struct nl_msg *m = nlmsg_alloc_simple(type, flags);

	if (!m)
		abort();
	memcpy(nlmsg_reserve(m, n, NLMSG_ALIGNTO), head, n);
	return m;
}

static int
ask(struct nl_sock *s, struct nl_msg *m_take, const char *what, struct err *e)
{
	int rc = nl_send_auto(s, m_take);

	nlmsg_free(m_take);
	if (rc >= 0)
		rc = nl_wait_for_ack(s);
	return rc < 0 ? err_set(e, ERR_IO, "%s: %s", what, nl_geterror(rc)) : 0;
}

static struct nl_msg *
link_request(int index, unsigned flags)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = flags,
		.ifi_change = IFF_UP };

	return request(RTM_SETLINK, 0, &info, sizeof(info));
}

static int
move(struct nl_sock *s, int index, int netns, const char *name, struct err *e)
{
	struct nl_msg *m = link_request(index, 0);

	put(m, IFLA_NET_NS_FD, &netns, sizeof(netns));
	put(m, IFLA_IFNAME, name, strlen(name) + 1);
	return ask(s, m, "cannot move the link", e);
}

static int
link_up(struct nl_sock *s, int index, const uint8_t *mac, struct err *e)
{
	struct nl_msg *m = link_request(index, IFF_UP);

	if (mac != NULL)
		put(m, IFLA_ADDRESS, mac, MAC_BYTES);
	return ask(s, m, "cannot take a link up", e);
}

static int
add_address(struct nl_sock *s, int index, const struct address *a, struct err *e)
{
	const struct ifaddrmsg head = { .ifa_family = (uint8_t)a->family,
		.ifa_prefixlen = a->prefix,
		.ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_index = (uint32_t)index };
	struct nl_msg *m =
	    request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));

	put(m, IFA_LOCAL, a->bytes, a->n);
	put(m, IFA_ADDRESS, a->bytes, a->n);
	return ask(s, m, "cannot set its address", e);
}

static int
add_gateway(struct nl_sock *s, int index, const struct address *a, struct err *e)
{
	const struct rtmsg head = { .rtm_family = (uint8_t)a->family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST };
	struct nl_msg *m =
	    request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));

	put(m, RTA_GATEWAY, a->bytes, a->n);
	put(m, RTA_OIF, &index, sizeof(index));
	return ask(s, m, "cannot set its gateway", e);
}

static int
set_up(const struct nic *n, struct err *e)
{
	int index = (int)if_nametoindex(n->name), rc;
	struct nl_sock *s = dial(e);

	if (!s)
		return e->code;
	if (!index)
		rc = err_sys(e, ERR_IO, errno, "%s did not arrive", n->name);
	else
		rc = link_up(s, index, n->mac, e);
	if (!rc)
		rc = link_up(s, LOOPBACK, NULL, e);
	if (!rc && n->has_address)
		rc = add_address(s, index, &n->address, e);
	if (!rc && n->has_gateway)
		rc = add_gateway(s, index, &n->gateway, e);
	nl_socket_free(s);
	return rc;
}

static int
open_netns(pid_t pid, int *ret_fd, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd >= 0 ? 0 : err_sys(e, ERR_IO, errno, "cannot open %s", path);
}

static int
enter(int netns, struct err *e)
{
	return setns(netns, CLONE_NEWNET)
		   ? err_sys(e, ERR_IO, errno, "cannot enter a network namespace")
		   : 0;
}

static int
move_in(const struct nic *n, int index, int netns, struct err *e)
{
	struct nl_sock *s = dial(e);
	int rc;

	if (!s)
		return e->code;
	rc = move(s, index, netns, n->name, e);
	nl_socket_free(s);
	return rc;
}

/* The agent has set its rules (port_pair_allow): they are not for us to know. */
static int
make_in(const struct nic *n, int netns, struct err *e)
{
	const struct port_far far = { .netns = netns, .name = n->name };
	struct nl *nl = NULL;
	int rc = nl_new(&nl, e);

	if (rc)
		return rc;
	rc = port_pair_add(nl, &n->port, &far, e);
	nl_free(nl);
	return rc;
}

static int
put_in(const struct nic *n, struct err *e)
{
	AUTO_CLOSE int netns = -1;
	int index = (int)if_nametoindex(n->link);
	int rc = open_netns(n->pid, &netns, e);

	if (rc)
		return rc;
	if (index)
		rc = move_in(n, index, netns, e);
	else if (n->has_port)
		rc = make_in(n, netns, e);
	else
		rc = err_set(e, ERR_NOT_FOUND, "no link %s", n->link);
	if (!rc)
		rc = enter(netns, e);
	if (!rc)
		rc = set_up(n, e);
	return rc ? err_wrap(e, "%s", n->name) : 0;
}

/* The one that every namespace has; a restored container's is down. */
static int
take_up_lo(pid_t pid, struct err *e)
{
	AUTO_CLOSE int netns = -1;
	int rc = open_netns(pid, &netns, e);
	struct nl_sock *s;

	if (!rc)
		rc = enter(netns, e);
	if (rc)
		return rc;
	s = dial(e);
	if (!s)
		return e->code;
	rc = link_up(s, LOOPBACK, NULL, e);
	nl_socket_free(s);
	return rc;
}

int
stage_cmd_nic(char **args, struct err *e)
{
	struct nic n = { .link = "", .name = "" };
	bool only_lo;
	int rc = 0;

	if (args[0] && args[1] && str_same(args[0], "--pid")) {
		rc = stage_pid(args[1], &n.pid, e);
		args += 2;
	}
	only_lo = args[0] && !args[1] && str_same(args[0], "lo");
	if (!rc && !only_lo)
		rc = take_nic(args, &n, e);
	if (!rc && !n.pid)
		rc = read_state(&n.pid, e);
	if (rc)
		return rc;
	return only_lo ? take_up_lo(n.pid, e) : put_in(&n, e);
}

/* ---- the way back ---- */

static int
on_link(struct nl_msg *m, void *arg)
{
	struct nlattr *peer =
	    nlmsg_find_attr(nlmsg_hdr(m), sizeof(struct ifinfomsg), IFLA_LINK);

	if (peer)
		*(int *)arg = (int)nla_get_u32(peer);
	return NL_OK;
}

/* The other end's index in the namespace that it is in, whatever its name is there. */
static int
find_peer(const char *outer, int *ret_index, struct err *e)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
		.ifi_index = (int)if_nametoindex(outer) };
	struct nl_msg *m = request(RTM_GETLINK, 0, &info, sizeof(info));
	struct nl_sock *s = info.ifi_index ? dial(e) : NULL;
	int rc = 0;

	if (s) {
		nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, on_link, ret_index);
		rc = nl_send_auto(s, m);
		if (rc >= 0)
			rc = nl_recvmsgs_default(s);
		if (rc >= 0)
			rc = nl_wait_for_ack(s);
	}
	nlmsg_free(m);
	nl_socket_free(s);
	return rc < 0 ? err_set(e, ERR_IO, "%s: %s", outer, nl_geterror(rc)) : e->code;
}

int
stage_cmd_nic_out(char **args, struct err *e)
{
	AUTO_CLOSE int inside = -1;
	AUTO_CLOSE int outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct nl_sock *s = NULL;
	pid_t pid = 0;
	int index = 0, rc;

	if (!args[0] || !str_same(args[0], "--pid") || !args[1] || !args[2] || !args[3])
		return err_set(e, ERR_INVALID, "nic-out: wants --pid N OUTER LINK");
	rc = stage_pid(args[1], &pid, e);
	if (!rc)
		rc = link_name_check(args[3], e);
	if (!rc)
		rc = find_peer(args[2], &index, e);
	/* Back already, or there is no such wire. */
	if (rc || !index || if_nametoindex(args[3]))
		return rc;
	rc = open_netns(pid, &inside, e);
	if (!rc)
		rc = enter(inside, e);
	if (rc)
		return rc;
	s = dial(e);
	rc = s ? move(s, index, outside, args[3], e) : e->code;
	nl_socket_free(s);
	return rc ? err_wrap(e, "%s", args[2]) : 0;
}

/* ---- neighbours ---- */

static int
set_flags(int sock, struct ifreq *r, short flags)
{
	r->ifr_flags = flags;
	return ioctl(sock, SIOCSIFFLAGS, r);
}

/* The kernel forgets all neighbours of a card that asks for none. */
static int
forget_neighbours(int sock, const char *name, struct err *e)
{
	struct ifreq r = { .ifr_ifindex = 0 };
	int rc = link_name_check(name, e);
	short flags;

	if (rc)
		return rc;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(sock, SIOCGIFFLAGS, &r))
		return err_sys(e, ERR_NOT_FOUND, errno, "no card %s", name);
	flags = r.ifr_flags;
	if (set_flags(sock, &r, (short)(flags | IFF_NOARP)) ||
	    set_flags(sock, &r, flags))
		return err_sys(e, ERR_IO, errno, "card %s", name);
	return 0;
}

int
stage_cmd_nic_fresh(char **args, struct err *e)
{
	AUTO_CLOSE int netns = -1;
	AUTO_CLOSE int sock = -1;
	pid_t pid = 0;
	int rc;

	if (!args[0] || !str_same(args[0], "--pid") || !args[1] || !args[2])
		return err_set(e, ERR_INVALID, "nic-fresh: wants --pid N NAME…");
	rc = stage_pid(args[1], &pid, e);
	if (!rc)
		rc = open_netns(pid, &netns, e);
	if (!rc)
		rc = enter(netns, e);
	if (rc)
		return rc;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return err_sys(e, ERR_IO, errno, "cannot ask for cards");
	for (char **name = args + 2; !rc && *name; name++)
		rc = forget_neighbours(sock, *name, e);
	return rc;
}
