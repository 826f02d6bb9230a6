#include "host-agent/network/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_bridge.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

#define TABLE      "drover"
#define PORTS      "ports"
#define ENTRY      "from-guests"
#define PRIORITY   (-200) /* where filters of bridges are; what follows sees the rest */
#define KEY_IFNAME 41u    /* how nft calls the type when it lists the map */
#define PORTS_ID   1u     /* within its batch */
#define ANSWER_MAX 8192

/* ---- messages ---- */

static void
put_u32(struct nl_msg *m, int attr, uint32_t v)
{
	v = htonl(v);
	nl_put(m, attr, &v, sizeof(v));
}

static struct nl_msg *
message(int type, int flags)
{
	const struct nfgenmsg head = { .nfgen_family = NFPROTO_BRIDGE };

	return nl_msg_new(NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_REQUEST | flags,
	    &head, sizeof(head));
}

static void
add(struct nft_batch *b, struct nl_msg *m_take)
{
	struct nlmsghdr *h = nlmsg_hdr(m_take);

	h->nlmsg_seq = ++b->n;
	b->last_at = b->bytes.len;
	str_addn(&b->bytes, h, NLMSG_ALIGN(h->nlmsg_len));
	nlmsg_free(m_take);
}

/* Both ends of the batch look alike. */
static void
add_bound(struct nft_batch *b, int type)
{
	const struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} bound = { { .nlmsg_len = sizeof(bound),
			.nlmsg_type = (uint16_t)type,
			.nlmsg_flags = NLM_F_REQUEST,
			.nlmsg_seq = ++b->n },
		{ .res_id = htons(NFNL_SUBSYS_NFTABLES) } };

	str_addn(&b->bytes, &bound, sizeof(bound));
}

void
nft_begin(struct nft_batch *b)
{
	*b = (struct nft_batch){ .bytes = STR_INIT };
	add_bound(b, NFNL_MSG_BATCH_BEGIN);
}

/* ---- what a rule is made of ---- */

static struct nlattr *
open_step(struct nl_msg *m, const char *name, struct nlattr **ret_data)
{
	struct nlattr *step = nl_nest(m, NFTA_LIST_ELEM);

	nl_put_text(m, NFTA_EXPR_NAME, name);
	*ret_data = nl_nest(m, NFTA_EXPR_DATA);
	return step;
}

static void
close_step(struct nl_msg *m, struct nlattr *step, struct nlattr *data)
{
	nla_nest_end(m, data);
	nla_nest_end(m, step);
}

static void
put_meta(struct nl_msg *m, uint32_t key)
{
	struct nlattr *data, *step = open_step(m, "meta", &data);

	put_u32(m, NFTA_META_DREG, NFT_REG_1);
	put_u32(m, NFTA_META_KEY, key);
	close_step(m, step, data);
}

static uint32_t
base_of(enum nft_place at)
{
	return at == NFT_LINK      ? NFT_PAYLOAD_LL_HEADER
	       : at == NFT_NETWORK ? NFT_PAYLOAD_NETWORK_HEADER
				   : NFT_PAYLOAD_TRANSPORT_HEADER;
}

static void
put_load(struct nl_msg *m, const struct nft_test *t)
{
	struct nlattr *data, *step = open_step(m, "payload", &data);

	put_u32(m, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(m, NFTA_PAYLOAD_BASE, base_of(t->at));
	put_u32(m, NFTA_PAYLOAD_OFFSET, t->offset);
	put_u32(m, NFTA_PAYLOAD_LEN, t->len);
	close_step(m, step, data);
}

static void
put_test(struct nl_msg *m, const struct nft_test *t)
{
	struct nlattr *data, *step, *value;

	if (t->at == NFT_PROTOCOL)
		put_meta(m, NFT_META_L4PROTO);
	else
		put_load(m, t);
	step = open_step(m, "cmp", &data);
	put_u32(m, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(m, NFTA_CMP_OP, t->how == NFT_IS ? NFT_CMP_EQ : NFT_CMP_NEQ);
	value = nl_nest(m, NFTA_CMP_DATA);
	nl_put(m, NFTA_DATA_VALUE, t->value, t->len);
	nla_nest_end(m, value);
	close_step(m, step, data);
}

/* In an attribute of its own; chain is where a jump goes, or NULL. */
static void
put_verdict(struct nl_msg *m, int attr, int code, const char *chain)
{
	struct nlattr *outer = nl_nest(m, attr);
	struct nlattr *verdict = nl_nest(m, NFTA_DATA_VERDICT);

	put_u32(m, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		nl_put_text(m, NFTA_VERDICT_CHAIN, chain);
	nla_nest_end(m, verdict);
	nla_nest_end(m, outer);
}

static struct nl_msg *
rule_message(const char *chain, struct nlattr **ret_steps)
{
	struct nl_msg *m = message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	nl_put_text(m, NFTA_RULE_TABLE, TABLE);
	nl_put_text(m, NFTA_RULE_CHAIN, chain);
	*ret_steps = nl_nest(m, NFTA_RULE_EXPRESSIONS);
	return m;
}

void
nft_put_rule(struct nft_batch *b, const char *port, const struct nft_rule *r)
{
	struct nlattr *steps, *step, *data;
	struct nl_msg *m = rule_message(port, &steps);

	for (size_t i = 0; i < NFT_TESTS_MAX && r->tests[i].at != NFT_NOWHERE; i++)
		put_test(m, &r->tests[i]);
	step = open_step(m, "immediate", &data);
	put_u32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	put_verdict(m, NFTA_IMMEDIATE_DATA,
	    r->fate == NFT_FATE_DROP ? NF_DROP : NF_ACCEPT, NULL);
	close_step(m, step, data);
	nla_nest_end(m, steps);
	add(b, m);
}

/* ---- table, map, chains ---- */

static void
put_table(struct nft_batch *b)
{
	struct nl_msg *m = message(NFT_MSG_NEWTABLE, NLM_F_CREATE);

	nl_put_text(m, NFTA_TABLE_NAME, TABLE);
	add(b, m);
}

/* For nft alone, which lists the names only if it is told how their bytes lie. */
struct byte_order {
	uint8_t what, n_value;
	uint8_t value[sizeof(uint32_t)];
};

static void
put_map(struct nft_batch *b)
{
	const uint32_t host = 1;
	struct byte_order text_order = { .n_value = sizeof(host) };
	struct nl_msg *m = message(NFT_MSG_NEWSET, NLM_F_CREATE);

	memcpy(text_order.value, &host, sizeof(host));
	nl_put_text(m, NFTA_SET_TABLE, TABLE);
	nl_put_text(m, NFTA_SET_NAME, PORTS);
	put_u32(m, NFTA_SET_FLAGS, NFT_SET_MAP);
	put_u32(m, NFTA_SET_KEY_TYPE, KEY_IFNAME);
	put_u32(m, NFTA_SET_KEY_LEN, IFNAMSIZ);
	put_u32(m, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
	put_u32(m, NFTA_SET_ID, PORTS_ID);
	nl_put(m, NFTA_SET_USERDATA, &text_order, sizeof(text_order));
	add(b, m);
}

static struct nl_msg *
chain_message(int type, int flags, const char *name)
{
	struct nl_msg *m = message(type, flags);

	nl_put_text(m, NFTA_CHAIN_TABLE, TABLE);
	nl_put_text(m, NFTA_CHAIN_NAME, name);
	return m;
}

static void
put_entry(struct nft_batch *b)
{
	struct nl_msg *m = chain_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, ENTRY);
	struct nlattr *hook = nl_nest(m, NFTA_CHAIN_HOOK);

	put_u32(m, NFTA_HOOK_HOOKNUM, NF_BR_PRE_ROUTING);
	put_u32(m, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
	nla_nest_end(m, hook);
	put_u32(m, NFTA_CHAIN_POLICY, NF_ACCEPT);
	nl_put_text(m, NFTA_CHAIN_TYPE, "filter");
	add(b, m);
}

static void
clear_chain(struct nft_batch *b, const char *name)
{
	struct nl_msg *m = message(NFT_MSG_DELRULE, 0);

	nl_put_text(m, NFTA_RULE_TABLE, TABLE);
	nl_put_text(m, NFTA_RULE_CHAIN, name);
	add(b, m);
}

static void
put_lookup(struct nft_batch *b)
{
	struct nlattr *steps, *step, *data;
	struct nl_msg *m = rule_message(ENTRY, &steps);

	put_meta(m, NFT_META_IIFNAME);
	step = open_step(m, "lookup", &data);
	nl_put_text(m, NFTA_LOOKUP_SET, PORTS);
	put_u32(m, NFTA_LOOKUP_SET_ID, PORTS_ID);
	put_u32(m, NFTA_LOOKUP_SREG, NFT_REG_1);
	put_u32(m, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	close_step(m, step, data);
	nla_nest_end(m, steps);
	add(b, m);
}

void
nft_put_base(struct nft_batch *b)
{
	put_table(b);
	put_map(b);
	put_entry(b);
	clear_chain(b, ENTRY);
	put_lookup(b);
}

void
nft_del_base(struct nft_batch *b)
{
	struct nl_msg *m = message(NFT_MSG_DELTABLE, 0);

	nl_put_text(m, NFTA_TABLE_NAME, TABLE);
	add(b, m);
}

void
nft_put_chain(struct nft_batch *b, const char *port)
{
	add(b, chain_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, port));
	clear_chain(b, port);
}

void
nft_del_chain(struct nft_batch *b, const char *port)
{
	add(b, chain_message(NFT_MSG_DELCHAIN, 0, port));
}

enum jump { JUMP_NEW, JUMP_GONE };

static void
add_jump(struct nft_batch *b, const char *port, enum jump what)
{
	struct nl_msg *m = what == JUMP_NEW ? message(NFT_MSG_NEWSETELEM, NLM_F_CREATE)
					    : message(NFT_MSG_DELSETELEM, 0);
	struct nlattr *list, *elem, *key;
	char name[IFNAMSIZ] = "";

	memcpy(name, port, strnlen(port, sizeof(name) - 1));
	nl_put_text(m, NFTA_SET_ELEM_LIST_TABLE, TABLE);
	nl_put_text(m, NFTA_SET_ELEM_LIST_SET, PORTS);
	list = nl_nest(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = nl_nest(m, NFTA_LIST_ELEM);
	key = nl_nest(m, NFTA_SET_ELEM_KEY);
	nl_put(m, NFTA_DATA_VALUE, name, sizeof(name));
	nla_nest_end(m, key);
	if (what == JUMP_NEW)
		put_verdict(m, NFTA_SET_ELEM_DATA, NFT_JUMP, port);
	nla_nest_end(m, elem);
	nla_nest_end(m, list);
	add(b, m);
}

void
nft_put_jump(struct nft_batch *b, const char *port)
{
	add_jump(b, port, JUMP_NEW);
}

void
nft_del_jump(struct nft_batch *b, const char *port)
{
	add_jump(b, port, JUMP_GONE);
}

/* ---- sending ---- */

static int
code_of(int sys)
{
	switch (sys) {
	case EPERM:
	case EACCES:
		return ERR_DENIED;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
	case EAFNOSUPPORT:
		return ERR_UNSUPPORTED;
	default:
		return ERR_IO;
	}
}

/* The first refusal in what the kernel has answered, or 0; counts its words. */
static int
read_words(const char *p, size_t n, unsigned *words)
{
	int first = 0;

	for (const struct nlmsghdr *h = (const void *)p; NLMSG_OK(h, n);
	     h = NLMSG_NEXT(h, n)) {
		struct nlmsgerr why;

		if (h->nlmsg_type != NLMSG_ERROR ||
		    h->nlmsg_len < NLMSG_LENGTH(sizeof(why)))
			continue;
		memcpy(&why, NLMSG_DATA(h), sizeof(why));
		(*words)++;
		if (!first && why.error)
			first = -why.error;
	}
	return first;
}

/* It has answered by now: a batch is dealt with while it is being sent. */
static int
hear(struct nl_sock *sock, struct err *e)
{
	_Alignas(struct nlmsghdr) char buf[ANSWER_MAX];
	unsigned words = 0;
	int first = 0;
	ssize_t n;

	while ((n = recv(nl_socket_get_fd(sock), buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		int sys = read_words(buf, (size_t)n, &words);

		first = first ? first : sys;
	}
	if (first)
		return err_sys(e, code_of(first), first, "packet filter");
	if (!words)
		return err_set(e, ERR_IO, "packet filter: the kernel does not answer");
	return 0;
}

int
nft_find_chain(struct nl_sock *sock, const char *port, struct err *e)
{
	struct nl_msg *m = chain_message(NFT_MSG_GETCHAIN, NLM_F_ACK, port);
	struct nlmsghdr *h = nlmsg_hdr(m);
	int rc;

	h->nlmsg_seq = 1;
	rc = nl_sendto(sock, h, h->nlmsg_len);
	nlmsg_free(m);
	if (rc < 0)
		return err_set(e, nl_code_of(rc), "packet filter: %s", nl_geterror(rc));
	return hear(sock, e);
}

int
nft_commit(struct nl_sock *sock, struct nft_batch *b, struct err *e)
{
	struct nlmsghdr last;
	int rc;

	memcpy(&last, b->bytes.s + b->last_at, sizeof(last));
	last.nlmsg_flags |= NLM_F_ACK;
	memcpy(b->bytes.s + b->last_at, &last, sizeof(last));
	add_bound(b, NFNL_MSG_BATCH_END);
	rc = nl_sendto(sock, b->bytes.s, b->bytes.len);
	str_fini(&b->bytes);
	if (rc < 0)
		return err_set(e, nl_code_of(rc), "packet filter: %s", nl_geterror(rc));
	return hear(sock, e);
}
