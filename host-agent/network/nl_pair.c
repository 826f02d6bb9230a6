/*
 * Two ends of a wire, and where a bridge looks for who is behind one of them.
 */
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include "host-agent/network/nl_int.h"

static void
put_peer(struct nl_msg *m, const struct nl_pair *p)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nlattr *data = nl_nest(m, IFLA_INFO_DATA);
	struct nlattr *peer = nl_nest(m, VETH_INFO_PEER);

	nl_put_head(m, &info, sizeof(info));
	nl_put_text(m, IFLA_IFNAME, p->inner);
	nl_put(m, IFLA_ADDRESS, p->mac, sizeof(p->mac));
	nl_put(m, IFLA_MTU, &p->mtu, sizeof(p->mtu));
	if (p->netns)
		nl_put(m, IFLA_NET_NS_FD, p->netns, sizeof(*p->netns));
	nla_nest_end(m, peer);
	nla_nest_end(m, data);
}

int
nl_pair_add(struct nl *nl, const struct nl_pair *p, struct err *e)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg *m =
	    nl_msg_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	struct nlattr *kind;

	nl_put_text(m, IFLA_IFNAME, p->outer);
	kind = nl_nest(m, IFLA_LINKINFO);
	nl_put(m, IFLA_INFO_KIND, "veth", sizeof("veth"));
	put_peer(m, p);
	nla_nest_end(m, kind);
	return nl_ask_or(nl, m, "cannot make a pair of links (veth)", 0, e);
}

static struct nl_msg *
entry_message(int type, int flags, int index, const uint8_t mac[6], uint16_t vlan)
{
	/* A learnt one could not be told: a port that has just come up learns nothing
	 * for a moment. */
	const struct ndmsg entry = { .ndm_family = AF_BRIDGE,
		.ndm_ifindex = index,
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_MASTER };
	struct nl_msg *m = nl_msg_new(type, flags, &entry, sizeof(entry));

	nl_put(m, NDA_LLADDR, mac, 6);
	if (vlan)
		nl_put(m, NDA_VLAN, &vlan, sizeof(vlan));
	return m;
}

int
nl_port_learn(
    struct nl *nl, int index, const uint8_t mac[6], uint16_t vlan, struct err *e)
{
	struct nl_msg *m =
	    entry_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, mac, vlan);

	return nl_ask_or(nl, m, "the bridge does not take in who is there", index, e);
}

int
nl_port_forget(
    struct nl *nl, int index, const uint8_t mac[6], uint16_t vlan, struct err *e)
{
	struct nl_msg *m = entry_message(RTM_DELNEIGH, 0, index, mac, vlan);
	struct err why = ERR_INIT;
	int rc =
	    nl_ask_or(nl, m, "the bridge does not forget who is there", index, &why);

	return rc && rc != ERR_NOT_FOUND ? err_set(e, rc, "%s", why.msg) : 0;
}
