#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/network/nl_int.h"

int
nl_new(struct nl **ret_nl, struct err *e)
{
	struct nl_sock *sock = nl_socket_alloc();
	int rc = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;

	if (rc) {
		nl_socket_free(sock);
		return err_set(e, ERR_UNAVAILABLE,
		    "cannot reach the kernel's links: %s", nl_geterror(rc));
	}
	*ret_nl = xcalloc(1, sizeof(**ret_nl));
	(*ret_nl)->sock = sock;
	(*ret_nl)->packet = -1;
	return 0;
}

void
nl_free(struct nl *nl)
{
	if (!nl)
		return;
	nl_socket_free(nl->sock);
	nl_socket_free(nl->filter);
	if (nl->packet >= 0)
		close(nl->packet);
	free(nl);
}

int
nl_code_of(int rc)
{
	switch (-rc) {
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
		return ERR_NOT_FOUND;
	case NLE_PERM:
		return ERR_DENIED;
	case NLE_BUSY:
		return ERR_BUSY;
	case NLE_EXIST:
		return ERR_EXISTS;
	case NLE_OPNOTSUPP:
		return ERR_UNSUPPORTED;
	default:
		return ERR_IO;
	}
}

static struct nl_msg *
request(int type, int flags, const struct ifinfomsg *info)
{
	return nl_msg_new(type, flags, info, sizeof(*info));
}

int
nl_ask(struct nl *nl, struct nl_msg *m_take)
{
	int rc = nl_send_auto(nl->sock, m_take);

	nlmsg_free(m_take);
	return rc < 0 ? rc : nl_wait_for_ack(nl->sock);
}

int
nl_ask_or(
    struct nl *nl, struct nl_msg *m_take, const char *what, int index, struct err *e)
{
	int rc = nl_ask(nl, m_take);

	if (rc < 0)
		return err_set(e, nl_code_of(rc), "%s (link %d): %s", what, index,
		    nl_geterror(rc));
	return 0;
}

static void
read_bridge_data(struct nlattr *data, struct nl_link *l)
{
	struct nlattr *f =
	    nla_find(nla_data(data), nla_len(data), IFLA_BR_VLAN_FILTERING);

	l->vlan_filtering = f && nla_len(f) >= 1 && nla_get_u8(f);
}

static void
read_kind(struct nlattr *info, struct nl_link *l)
{
	struct nlattr *kind = nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND);
	struct nlattr *data = nla_find(nla_data(info), nla_len(info), IFLA_INFO_DATA);

	l->is_bridge = kind && nla_strcmp(kind, "bridge") == 0;
	if (l->is_bridge && data)
		read_bridge_data(data, l);
}

static bool
read_link(struct nlmsghdr *h, struct nl_link *l)
{
	const struct ifinfomsg *info = nlmsg_data(h);
	struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(h, sizeof(*info)))
		return false;
	*l = (struct nl_link){ .index = info->ifi_index };
	l->up = (info->ifi_flags & IFF_UP) != 0;
	a = nlmsg_find_attr(h, sizeof(*info), IFLA_IFNAME);
	if (a)
		nla_strlcpy(l->name, a, sizeof(l->name));
	a = nlmsg_find_attr(h, sizeof(*info), IFLA_IFALIAS);
	if (a)
		nla_strlcpy(l->alias, a, sizeof(l->alias));
	a = nlmsg_find_attr(h, sizeof(*info), IFLA_MTU);
	if (a)
		l->mtu = nla_get_u32(a);
	a = nlmsg_find_attr(h, sizeof(*info), IFLA_MASTER);
	if (a)
		l->master = (int)nla_get_u32(a);
	a = nlmsg_find_attr(h, sizeof(*info), IFLA_LINKINFO);
	if (a)
		read_kind(a, l);
	return true;
}

struct listing {
	void (*on_link)(const struct nl_link *l, void *arg);
	void *arg;
};

static int
on_message(struct nl_msg *m, void *arg)
{
	const struct listing *to = arg;
	struct nl_link l;

	if (read_link(nlmsg_hdr(m), &l))
		to->on_link(&l, to->arg);
	return NL_OK;
}

static int
receive(struct nl *nl, struct listing *to)
{
	struct nl_cb *own = nl_socket_get_cb(nl->sock);
	struct nl_cb *cb = nl_cb_clone(own);
	int rc;

	nl_cb_put(own);
	if (!cb)
		abort();
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, to);
	rc = nl_recvmsgs(nl->sock, cb);
	nl_cb_put(cb);
	return rc;
}

static void
keep_link(const struct nl_link *l, void *arg)
{
	*(struct nl_link *)arg = *l;
}

int
nl_link_get(struct nl *nl, const char *name, struct nl_link *ret_l, struct err *e)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_link found = { .index = 0 };
	struct listing to = { keep_link, &found };
	struct nl_msg *m;
	int rc;

	if (strlen(name) >= IFNAMSIZ || !*name)
		return err_set(e, ERR_NOT_FOUND, "there is no link \"%s\"", name);
	m = request(RTM_GETLINK, 0, &info);
	nl_put_text(m, IFLA_IFNAME, name);
	rc = nl_send_auto(nl->sock, m);
	nlmsg_free(m);
	if (rc >= 0)
		rc = receive(nl, &to);
	/* The acknowledgement that was asked for along with the answer. */
	if (rc >= 0)
		rc = nl_wait_for_ack(nl->sock);
	if (rc < 0 && nl_code_of(rc) == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND, "there is no link \"%s\"", name);
	if (rc < 0)
		return err_set(
		    e, nl_code_of(rc), "link \"%s\": %s", name, nl_geterror(rc));
	*ret_l = found;
	return 0;
}

int
nl_link_each(struct nl *nl, void (*on_link)(const struct nl_link *l, void *arg),
    void *arg, struct err *e)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct listing to = { on_link, arg };
	struct nl_msg *m = request(RTM_GETLINK, NLM_F_DUMP, &info);
	int rc = nl_send_auto(nl->sock, m);

	nlmsg_free(m);
	if (rc >= 0)
		rc = receive(nl, &to);
	if (rc < 0)
		return err_set(
		    e, nl_code_of(rc), "cannot list the links: %s", nl_geterror(rc));
	return 0;
}

/* A guest's port takes part in nothing: no address of the host's may appear on its
 * wire. */
static void
put_no_ipv6(struct nl_msg *m)
{
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct nlattr *spec = nl_nest(m, IFLA_AF_SPEC);
	struct nlattr *inet6 = nl_nest(m, AF_INET6);

	nl_put(m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	nla_nest_end(m, inet6);
	nla_nest_end(m, spec);
}

int
nl_link_enslave(struct nl *nl, int index, int bridge, const uint8_t mac[6],
    uint32_t mtu, struct err *e)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	const uint32_t master = (uint32_t)bridge;
	struct nl_msg *m = request(RTM_SETLINK, 0, &info);
	int rc;

	nl_put(m, IFLA_ADDRESS, mac, 6);
	nl_put(m, IFLA_MTU, &mtu, sizeof(mtu));
	rc = nl_ask_or(nl, m, "cannot set its address", index, e);
	if (rc)
		return rc;
	m = request(RTM_SETLINK, 0, &info);
	put_no_ipv6(m);
	/* A kernel without IPv6 has nothing to switch off. */
	(void)nl_ask(nl, m);
	m = request(RTM_SETLINK, 0, &info);
	nl_put(m, IFLA_MASTER, &master, sizeof(master));
	return nl_ask_or(nl, m, "cannot put it on the bridge", index, e);
}

int
nl_link_up(struct nl *nl, int index, struct err *e)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP };

	return nl_ask_or(
	    nl, request(RTM_SETLINK, 0, &info), "cannot take it up", index, e);
}

int
nl_link_down(struct nl *nl, int index, struct err *e)
{
	struct ifinfomsg info = {
		.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_change = IFF_UP
	};

	return nl_ask_or(
	    nl, request(RTM_SETLINK, 0, &info), "cannot take it down", index, e);
}

int
nl_link_note(struct nl *nl, int index, const char *text, struct err *e)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	struct nl_msg *m = request(RTM_SETLINK, 0, &info);

	nl_put_text(m, IFLA_IFALIAS, text);
	return nl_ask_or(nl, m, "cannot note whose it is", index, e);
}

static int
change_vlan(struct nl *nl, int type, int index, uint16_t vlan, uint16_t flags)
{
	struct ifinfomsg info = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	struct bridge_vlan_info v = { .vid = vlan, .flags = flags };
	struct nl_msg *m = request(type, 0, &info);
	struct nlattr *spec = nl_nest(m, IFLA_AF_SPEC);

	nl_put(m, IFLA_BRIDGE_VLAN_INFO, &v, sizeof(v));
	nla_nest_end(m, spec);
	return nl_ask(nl, m);
}

int
nl_port_vlan(struct nl *nl, int index, uint16_t from, uint16_t vlan, struct err *e)
{
	int rc = 0;

	if (vlan != from)
		rc = change_vlan(nl, RTM_DELLINK, index, from, 0);
	if (rc == 0 || nl_code_of(rc) == ERR_NOT_FOUND)
		rc = change_vlan(nl, RTM_SETLINK, index, vlan,
		    BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
	if (rc < 0)
		return err_set(e, nl_code_of(rc), "cannot set VLAN %u (link %d): %s",
		    vlan, index, nl_geterror(rc));
	return 0;
}

int
nl_link_del(struct nl *nl, int index, struct err *e)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };

	return nl_ask_or(
	    nl, request(RTM_DELLINK, 0, &info), "cannot remove it", index, e);
}
