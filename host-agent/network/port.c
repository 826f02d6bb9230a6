#include "host-agent/network/port.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/network/announce.h"
#include "host-agent/network/guard.h"

#define NIC_DIGITS    36
#define PORT_PREFIX   "dvt"
#define INNER_PREFIX  "dvc"
#define INTAKE_PREFIX "dvi"
#define MAC_CHARS     17
#define NOTE_VLAN     " vlan "
#define NOTE_ADDRESS  " at "
#define DEFAULT_VLAN  1 /* of a fresh port */

/* Base 36 where decimal would be too long: 13 digits hold any 64-bit number. */
static void
write_name(const char *prefix, uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[16];
	size_t at = sizeof(text) - 1;

	if (guest < 10000000 && nic < 100) {
		snprintf(buf, PORT_NAME_MAX, "%s%" PRIu64 "n%u", prefix, guest, nic);
		return;
	}
	text[at] = '\0';
	for (uint64_t n = guest; n && at > 0; n /= NIC_DIGITS)
		text[--at] = digits[n % NIC_DIGITS];
	snprintf(buf, PORT_NAME_MAX, "%.13s%c%s", text + at, digits[nic % NIC_DIGITS],
	    str_same(prefix, PORT_PREFIX) ? "" : prefix + 2);
}

void
port_name(uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX])
{
	write_name(PORT_PREFIX, guest, nic, buf);
}

void
port_inner_name(uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX])
{
	write_name(INNER_PREFIX, guest, nic, buf);
}

void
port_intake_name(uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX])
{
	write_name(INTAKE_PREFIX, guest, nic, buf);
}

int
port_mac_parse(const char *s, uint8_t ret_mac[6], struct err *e)
{
	uint8_t mac[6] = { 0 };
	unsigned all = 0;
	bool good = strlen(s) == MAC_CHARS;

	for (int i = 0; i < MAC_CHARS && good; i++) {
		unsigned char c = (unsigned char)s[i];

		if (i % 3 == 2) {
			good = c == ':';
			continue;
		}
		good = isxdigit(c) != 0;
		mac[i / 3] = (uint8_t)(mac[i / 3] << 4 |
				       (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10));
	}
	for (int i = 0; i < 6; i++)
		all |= mac[i];
	if (!good)
		return err_set(
		    e, ERR_INVALID, "mac: wants 52:54:00:xx:xx:xx, got \"%.20s\"", s);
	if (!all || mac[0] & 1)
		return err_set(
		    e, ERR_INVALID, "mac: %s is no address of one device", s);
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

static int
open_tap(const char *name, int *ret_fd, struct err *e)
{
	AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (fd < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "cannot open /dev/net/tun");
	memcpy(r.ifr_name, name, strlen(name) + 1);
	if (ioctl(fd, TUNSETIFF, &r)) {
		if (errno == EBUSY)
			return err_set(
			    e, ERR_BUSY, "tap %s is held by a process that runs", name);
		return err_sys(e, ERR_IO, errno, "cannot make tap %s", name);
	}
	*ret_fd = MOVE_FD(fd);
	return 0;
}

static int
find_bridge(struct nl *nl, const char *name, uint32_t vlan, struct nl_link *ret_b,
    struct err *e)
{
	int rc = nl_link_get(nl, name, ret_b, e);

	if (rc == ERR_NOT_FOUND)
		return err_set(
		    e, ERR_NOT_FOUND, "this host has no bridge \"%s\"", name);
	if (rc)
		return rc;
	if (!ret_b->is_bridge)
		return err_set(e, ERR_INVALID, "link \"%s\" is no bridge", name);
	if (vlan > 4094)
		return err_set(e, ERR_INVALID, "vlan: wants 0 to 4094, got %u", vlan);
	if (vlan && !ret_b->vlan_filtering)
		return err_set(e, ERR_UNSUPPORTED,
		    "bridge \"%s\" does not filter VLANs: it cannot carry VLAN %u",
		    name, vlan);
	return 0;
}

static int
plug(struct nl *nl, const char *name, const struct nl_link *bridge,
    const struct port_spec *p, struct err *e)
{
	struct nl_link port;
	uint8_t mac[6];
	int rc = port_mac_parse(p->mac, mac, e);

	if (!rc)
		rc = nl_link_get(nl, name, &port, e);
	if (rc)
		return rc;
	/* The guest's own would clash; the highest one never becomes the bridge's. */
	mac[0] = 0xfe;
	rc = nl_link_enslave(nl, port.index, bridge->index, mac, bridge->mtu, e);
	if (!rc && p->vlan)
		rc = nl_port_vlan(nl, port.index, DEFAULT_VLAN, (uint16_t)p->vlan, e);
	return rc;
}

static uint64_t
bytes_of(uint64_t kbit)
{
	return kbit * 1000 / 8;
}

static int
limit(struct nl *nl, int index, const struct port_spec *from,
    const struct port_spec *to, struct err *e)
{
	char intake[PORT_NAME_MAX];
	int rc = 0;

	if (from->rx_kbit != to->rx_kbit)
		rc = nl_rate_set(nl, index, bytes_of(to->rx_kbit), e);
	port_intake_name(to->guest, to->nic, intake);
	if (!rc && from->tx_kbit != to->tx_kbit)
		rc = nl_intake_set(nl, index, intake, bytes_of(to->tx_kbit), e);
	return rc;
}

int
port_guard(struct nl *nl, const struct port_spec *p, struct err *e)
{
	struct guard_guest g = { .address = p->address ? p->address : "" };
	char name[PORT_NAME_MAX];
	int rc = port_mac_parse(p->mac, g.mac, e);

	port_name(p->guest, p->nic, name);
	return rc ? rc : guard_set(nl, name, &g, e);
}

/* All that a port needs before anything may pass it. */
static int
fit_out(struct nl *nl, const char *name, const struct nl_link *bridge,
    const struct port_spec *p, struct err *e)
{
	struct port_spec none = *p;
	struct nl_link port;
	int rc = plug(nl, name, bridge, p, e);

	none.rx_kbit = none.tx_kbit = 0;
	if (!rc)
		rc = nl_link_get(nl, name, &port, e);
	if (!rc)
		rc = limit(nl, port.index, &none, p, e);
	return rc ? rc : port_guard(nl, p, e);
}

static int
open_link(struct nl *nl, const char *name, struct err *e)
{
	struct nl_link port;
	int rc = nl_link_get(nl, name, &port, e);

	return rc ? rc : nl_link_up(nl, port.index, e);
}

int
port_add(struct nl *nl, const struct port_spec *p, int *ret_fd, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct nl_link bridge;
	char name[PORT_NAME_MAX];
	int rc = find_bridge(nl, p->bridge, p->vlan, &bridge, e);

	if (rc)
		return rc;
	port_name(p->guest, p->nic, name);
	rc = open_tap(name, &fd, e);
	if (!rc)
		rc = fit_out(nl, name, &bridge, p, e);
	if (!rc)
		rc = open_link(nl, name, e);
	if (rc)
		return err_wrap(e, "port %s", name);
	*ret_fd = MOVE_FD(fd);
	return 0;
}

/* Whom it leads to and in which VLAN: all that its gate has to know. */
static int
note_guest(struct nl *nl, const char *name, const struct port_spec *p, struct err *e)
{
	char text[NL_ALIAS_MAX];
	struct nl_link port;
	int rc = nl_link_get(nl, name, &port, e);

	if (rc)
		return rc;
	snprintf(text, sizeof(text), "%.*s" NOTE_VLAN "%u" NOTE_ADDRESS "%s", MAC_CHARS,
	    p->mac, p->vlan, p->address ? p->address : "");
	return nl_link_note(nl, port.index, text, e);
}

/* A tap goes with its holder, and that link with nobody. */
static void
drop_intake(struct nl *nl, uint64_t guest, unsigned nic)
{
	struct nl_link intake;
	char name[PORT_NAME_MAX];

	port_intake_name(guest, nic, name);
	if (!nl_link_get(nl, name, &intake, NULL))
		(void)!nl_link_del(nl, intake.index, NULL);
}

static int
drop_left_over(
    struct nl *nl, const char *name, const struct port_spec *p, struct err *e)
{
	struct nl_link left;

	drop_intake(nl, p->guest, p->nic);
	return nl_link_get(nl, name, &left, NULL) ? 0 : nl_link_del(nl, left.index, e);
}

static int
make_pair(struct nl *nl, const char *name, const struct nl_link *bridge,
    const struct port_spec *p, const struct port_far *far, struct err *e)
{
	char inner[PORT_NAME_MAX];
	struct nl_pair pair = { name, inner, { 0 }, bridge->mtu, NULL };
	int rc = port_mac_parse(p->mac, pair.mac, e);

	port_inner_name(p->guest, p->nic, inner);
	if (far) {
		pair.inner = far->name;
		pair.netns = &far->netns;
	}
	if (!rc)
		rc = drop_left_over(nl, name, p, e);
	return rc ? rc : nl_pair_add(nl, &pair, e);
}

int
port_pair_allow(struct nl *nl, const struct port_spec *p, struct err *e)
{
	struct nl_link bridge;
	char name[PORT_NAME_MAX];
	int rc = find_bridge(nl, p->bridge, p->vlan, &bridge, e);

	if (rc)
		return rc;
	port_name(p->guest, p->nic, name);
	rc = drop_left_over(nl, name, p, e);
	if (!rc)
		rc = port_guard(nl, p, e);
	return rc ? err_wrap(e, "port %s", name) : 0;
}

int
port_pair_add(
    struct nl *nl, const struct port_spec *p, const struct port_far *far, struct err *e)
{
	struct nl_link bridge;
	char name[PORT_NAME_MAX];
	int rc = find_bridge(nl, p->bridge, p->vlan, &bridge, e);

	if (rc)
		return rc;
	port_name(p->guest, p->nic, name);
	rc = make_pair(nl, name, &bridge, p, far, e);
	if (rc)
		return err_wrap(e, "port %s", name);
	rc = note_guest(nl, name, p, e);
	if (!rc)
		rc = fit_out(nl, name, &bridge, p, e);
	if (!rc)
		return 0;
	(void)!port_del(nl, p->guest, p->nic, NULL);
	return err_wrap(e, "port %s", name);
}

/* Whom a pair leads to, as note_guest() has it. */
static bool
read_guest(const struct nl_link *port, struct whereabouts *ret)
{
	const char *vlan = strstr(port->alias, NOTE_VLAN);
	const char *at = strstr(port->alias, NOTE_ADDRESS);
	AUTO_FREE char *mac = xstrndup(port->alias, MAC_CHARS);
	AUTO_FREE char *ip = xstrdup(at ? at + strlen(NOTE_ADDRESS) : "");
	struct err e = ERR_INIT;

	*ret = (struct whereabouts){ .ip = { htonl(INADDR_ANY) } };
	if (!vlan || port_mac_parse(mac, ret->mac, &e))
		return false;
	ret->vlan = (uint16_t)strtoul(vlan + strlen(NOTE_VLAN), NULL, 10);
	ip[strcspn(ip, "/")] = '\0';
	(void)inet_pton(AF_INET, ip, &ret->ip); /* left alone by what is none */
	return true;
}

/* Its neighbours would find out by themselves, but only when it speaks. */
static void
show_place(struct nl *nl, const struct nl_link *port)
{
	struct err e = ERR_INIT;
	struct whereabouts who;

	if (read_guest(port, &who) &&
	    (nl_port_learn(nl, port->index, who.mac, who.vlan, &e) ||
		announce(nl, port->master, &who, &e)))
		log_info("network", "port %s: %s", port->name, e.msg);
}

static void
hide_place(struct nl *nl, const struct nl_link *port)
{
	struct err e = ERR_INIT;
	struct whereabouts who;

	if (read_guest(port, &who) &&
	    nl_port_forget(nl, port->index, who.mac, who.vlan, &e))
		log_info("network", "port %s: %s", port->name, e.msg);
}

int
port_gate(struct nl *nl, uint64_t guest, unsigned nic, bool open, struct err *e)
{
	struct nl_link port;
	char name[PORT_NAME_MAX];
	int rc;

	port_name(guest, nic, name);
	rc = nl_link_get(nl, name, &port, e);
	if (!rc)
		rc = open ? nl_link_up(nl, port.index, e)
			  : nl_link_down(nl, port.index, e);
	if (rc)
		return err_wrap(e, "port %s", name);
	if (open)
		show_place(nl, &port);
	else
		hide_place(nl, &port);
	return 0;
}

/* Back on a bridge it is in VLAN 1 again, as a fresh one. */
static int
rewire(struct nl *nl, const struct nl_link *port, const struct port_spec *from,
    const struct port_spec *to, struct err *e)
{
	uint16_t was = (uint16_t)(from->vlan ? from->vlan : DEFAULT_VLAN);
	uint16_t is = (uint16_t)(to->vlan ? to->vlan : DEFAULT_VLAN);
	struct nl_link bridge;
	uint8_t mac[6];
	int rc = find_bridge(nl, to->bridge, to->vlan, &bridge, e);

	if (!rc)
		rc = port_mac_parse(to->mac, mac, e);
	if (rc)
		return rc;
	mac[0] = 0xfe;
	if (port->master != bridge.index) {
		was = DEFAULT_VLAN;
		rc = nl_link_enslave(nl, port->index, bridge.index, mac, bridge.mtu, e);
	}
	if (!rc && was != is)
		rc = nl_port_vlan(nl, port->index, was, is, e);
	return rc;
}

int
port_set(struct nl *nl, const struct port_spec *from, const struct port_spec *to,
    struct err *e)
{
	struct nl_link port;
	char name[PORT_NAME_MAX];
	int rc;

	port_name(to->guest, to->nic, name);
	rc = nl_link_get(nl, name, &port, e);
	if (!rc)
		rc = rewire(nl, &port, from, to, e);
	if (!rc)
		rc = limit(nl, port.index, from, to, e);
	if (!rc && *port.alias)
		rc = note_guest(nl, name, to, e);
	if (!rc)
		rc = port_guard(nl, to, e);
	return rc ? err_wrap(e, "port %s", name) : 0;
}

int
port_del(struct nl *nl, uint64_t guest, unsigned nic, struct err *e)
{
	struct err why = ERR_INIT;
	struct nl_link port;
	char name[PORT_NAME_MAX];
	int rc;

	port_name(guest, nic, name);
	drop_intake(nl, guest, nic);
	rc = nl_link_get(nl, name, &port, &why);
	if (!rc)
		rc = nl_link_del(nl, port.index, &why);
	if (!rc || rc == ERR_NOT_FOUND)
		rc = guard_del(nl, name, &why);
	if (!rc)
		return 0;
	return err_set(e, rc, "port %s: %s", name, why.msg);
}

struct names {
	char **list;
	size_t n;
};

static void
take_bridge(const struct nl_link *l, void *arg)
{
	struct names *to = arg;

	if (!l->is_bridge)
		return;
	to->list = xreallocarray(to->list, to->n + 2, sizeof(*to->list));
	to->list[to->n++] = xstrdup(l->name);
	to->list[to->n] = NULL;
}

int
port_bridges(struct nl *nl, char ***ret_names, struct err *e)
{
	struct names to = { xcalloc(1, sizeof(char *)), 0 };
	int rc = nl_link_each(nl, take_bridge, &to, e);

	if (rc) {
		for (size_t i = 0; i < to.n; i++)
			free(to.list[i]);
		free(to.list);
		return rc;
	}
	*ret_names = to.list;
	return 0;
}
