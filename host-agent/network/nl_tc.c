/*
 * How fast links are.  What a link sends goes through a token bucket.  What it takes in
 * cannot wait anywhere, so it is sent through an intermediate link that has a bucket.
 */
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <string.h>

#include "host-agent/network/nl_int.h"

#define BURST_MIN    UINT64_C(0x4000)
#define BURST_MAX    UINT64_C(0x1000000)
#define BURST_SHARE  50 /* of a second: timers are no finer */
#define QUEUE_MIN    UINT64_C(0x20000)
#define QUEUE_MAX    UINT64_C(0x4000000)
#define QUEUE_SHARE  10
#define RATE_32_MAX  UINT64_C(0xffffffff)
#define FILTER_PRIO  1u
#define FIRST_ACTION 1

static struct nl_msg *
request(int type, int flags, const struct tcmsg *tc)
{
	return nl_msg_new(type, flags, tc, sizeof(*tc));
}

static uint32_t
within(uint64_t v, uint64_t least, uint64_t most)
{
	return (uint32_t)(v < least ? least : v > most ? most : v);
}

static int
remove_qdisc(struct nl *nl, int index, uint32_t parent, const char *what, struct err *e)
{
	struct tcmsg tc = { .tcm_ifindex = index, .tcm_parent = parent };
	struct err why = ERR_INIT;
	int rc = nl_ask_or(nl, request(RTM_DELQDISC, 0, &tc), what, index, &why);

	/* None there, or only the one that every link is born with. */
	if (!rc || rc == ERR_NOT_FOUND || rc == ERR_IO)
		return 0;
	return err_set(e, rc, "%s", why.msg);
}

int
nl_rate_set(struct nl *nl, int index, uint64_t bytes_per_s, struct err *e)
{
	struct tcmsg tc = { .tcm_ifindex = index, .tcm_parent = TC_H_ROOT };
	uint32_t burst = within(bytes_per_s / BURST_SHARE, BURST_MIN, BURST_MAX);
	struct tc_tbf_qopt bucket = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
		    .rate = within(bytes_per_s, 1, RATE_32_MAX) },
		.limit =
		    burst + within(bytes_per_s / QUEUE_SHARE, QUEUE_MIN, QUEUE_MAX),
	};
	struct nlattr *options;
	struct nl_msg *m;

	if (!bytes_per_s)
		return remove_qdisc(nl, index, TC_H_ROOT, "cannot lift its limit", e);
	m = request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &tc);
	nl_put(m, TCA_KIND, "tbf", sizeof("tbf"));
	options = nl_nest(m, TCA_OPTIONS);
	nl_put(m, TCA_TBF_PARMS, &bucket, sizeof(bucket));
	nl_put(m, TCA_TBF_BURST, &burst, sizeof(burst));
	if (bytes_per_s > RATE_32_MAX)
		nl_put(m, TCA_TBF_RATE64, &bytes_per_s, sizeof(bytes_per_s));
	nla_nest_end(m, options);
	return nl_ask_or(nl, m, "cannot limit what it sends", index, e);
}

static int
make_intermediate(struct nl *nl, const char *name, struct nl_link *ret_l, struct err *e)
{
	struct ifinfomsg info = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nl_msg *m;
	struct nlattr *kind;
	int rc = nl_link_get(nl, name, ret_l, NULL);

	if (rc != ERR_NOT_FOUND)
		return rc ? err_set(e, rc, "cannot look for link \"%s\"", name) : 0;
	m = nl_msg_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	nl_put_text(m, IFLA_IFNAME, name);
	kind = nl_nest(m, IFLA_LINKINFO);
	nl_put(m, IFLA_INFO_KIND, "ifb", sizeof("ifb"));
	nla_nest_end(m, kind);
	rc = nl_ask_or(nl, m, "this kernel has no intermediate links (ifb)", 0, e);
	return rc ? rc : nl_link_get(nl, name, ret_l, e);
}

static int
add_intake(struct nl *nl, int index, struct err *e)
{
	struct tcmsg tc = { .tcm_ifindex = index,
		.tcm_parent = TC_H_INGRESS,
		.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0) };
	struct err why = ERR_INIT;
	struct nl_msg *m = request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tc);
	int rc;

	nl_put(m, TCA_KIND, "ingress", sizeof("ingress"));
	rc = nl_ask_or(nl, m, "cannot look at what it takes in", index, &why);
	return rc && rc != ERR_EXISTS ? err_set(e, rc, "%s", why.msg) : 0;
}

/* Everything, whatever it is: a key without a mask fits all. */
static int
redirect(struct nl *nl, int index, int to, struct err *e)
{
	struct tcmsg tc = { .tcm_ifindex = index,
		.tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0),
		.tcm_info = TC_H_MAKE(FILTER_PRIO << 16, htons(ETH_P_ALL)) };
	struct tc_mirred go = { .action = TC_ACT_STOLEN,
		.eaction = TCA_EGRESS_REDIR,
		.ifindex = (uint32_t)to };

	struct {
		struct tc_u32_sel sel;
		struct tc_u32_key key;
	} all = { .sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };
	struct nl_msg *m = request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tc);
	struct nlattr *options, *actions, *action, *parms;

	nl_put(m, TCA_KIND, "u32", sizeof("u32"));
	options = nl_nest(m, TCA_OPTIONS);
	nl_put(m, TCA_U32_SEL, &all, sizeof(all));
	actions = nl_nest(m, TCA_U32_ACT);
	action = nl_nest(m, FIRST_ACTION);
	nl_put(m, TCA_ACT_KIND, "mirred", sizeof("mirred"));
	parms = nl_nest(m, TCA_ACT_OPTIONS);
	nl_put(m, TCA_MIRRED_PARMS, &go, sizeof(go));
	nla_nest_end(m, parms);
	nla_nest_end(m, action);
	nla_nest_end(m, actions);
	nla_nest_end(m, options);
	return nl_ask_or(nl, m, "cannot redirect what it takes in", index, e);
}

static int
remove_intake(struct nl *nl, int index, const char *name, struct err *e)
{
	struct nl_link link;
	int rc = remove_qdisc(nl, index, TC_H_INGRESS, "cannot lift its limit", e);

	if (!rc && !nl_link_get(nl, name, &link, NULL))
		rc = nl_link_del(nl, link.index, e);
	return rc;
}

int
nl_intake_set(
    struct nl *nl, int index, const char *name, uint64_t bytes_per_s, struct err *e)
{
	struct nl_link link;
	int rc;

	if (!bytes_per_s)
		return remove_intake(nl, index, name, e);
	rc = make_intermediate(nl, name, &link, e);
	if (!rc)
		rc = nl_rate_set(nl, link.index, bytes_per_s, e);
	/* Redirected anew: the link may be another one than the last that had the name.
	 */
	if (!rc)
		rc = remove_qdisc(nl, index, TC_H_INGRESS, "cannot limit it anew", e);
	if (!rc)
		rc = add_intake(nl, index, e);
	if (!rc)
		rc = redirect(nl, index, link.index, e);
	if (rc)
		(void)!remove_intake(nl, index, name, NULL);
	return rc;
}
