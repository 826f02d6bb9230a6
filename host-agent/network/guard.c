#include "host-agent/network/guard.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "host-agent/network/nft.h"

#define TYPE_AT       12 /* in an Ethernet header */
#define FROM_AT       6
#define ARP_MAC_AT    8 /* sender's */
#define ARP_ADDR_AT   14
#define IP_FROM_AT    12
#define IP6_FROM_AT   8
#define IP6_IFACE_AT  16 /* the second half of the sender's address */
#define ND_IFACE_AT   16 /* the same of the address that a neighbour is told of */
#define IFACE_BYTES   8
#define PORT_DHCP     67
#define PORT_DHCP_ASK 68
#define PORT_DHCP6    547

/* Rules are added one by one to what g may send from port. */
struct list {
	struct nft_batch *batch;
	const char *port;
};

static struct nft_test
test(enum nft_place at, uint8_t offset, const void *value, uint8_t len)
{
	struct nft_test t = { .at = at, .offset = offset, .len = len };

	memcpy(t.value, value, len);
	return t;
}

static struct nft_test
differs(struct nft_test t)
{
	t.how = NFT_IS_NOT;
	return t;
}

static struct nft_test
is_type(uint16_t type)
{
	const uint16_t v = htons(type);

	return test(NFT_LINK, TYPE_AT, &v, sizeof(v));
}

static struct nft_test
is_protocol(uint8_t protocol)
{
	return test(NFT_PROTOCOL, 0, &protocol, sizeof(protocol));
}

static struct nft_test
is_from_port(uint16_t port)
{
	const uint16_t v = htons(port);

	return test(NFT_TRANSPORT, 0, &v, sizeof(v));
}

static struct nft_test
is_icmp6(uint8_t type)
{
	return test(NFT_TRANSPORT, 0, &type, sizeof(type));
}

#define RULE(l, v, ...)                     \
	nft_put_rule((l)->batch, (l)->port, \
	    &(const struct nft_rule){       \
		.tests = { __VA_ARGS__ }, .fate = NFT_FATE_##v })

static void
put_mac_rules(const struct list *l, const uint8_t mac[6])
{
	RULE(l, DROP, differs(test(NFT_LINK, FROM_AT, mac, 6)));
	RULE(l, DROP, is_type(ETHERTYPE_VLAN));
	RULE(l, DROP, is_type(ETH_P_8021AD));
	RULE(l, DROP, is_type(ETHERTYPE_ARP),
	    differs(test(NFT_NETWORK, ARP_MAC_AT, mac, 6)));
}

static void
put_arp_rules(const struct list *l, const struct in_addr *own)
{
	const struct in_addr none = { 0 };

	RULE(l, ACCEPT, is_type(ETHERTYPE_ARP),
	    test(NFT_NETWORK, ARP_ADDR_AT, own, sizeof(*own)));
	/* Does somebody have it already? */
	RULE(l, ACCEPT, is_type(ETHERTYPE_ARP),
	    test(NFT_NETWORK, ARP_ADDR_AT, &none, sizeof(none)));
}

static void
put_ip_rules(const struct list *l, const struct in_addr *own)
{
	const struct in_addr none = { 0 };
	const uint16_t ports[] = { htons(PORT_DHCP_ASK), htons(PORT_DHCP) };

	RULE(l, ACCEPT, is_type(ETHERTYPE_IP),
	    test(NFT_NETWORK, IP_FROM_AT, &none, sizeof(none)),
	    is_protocol(IPPROTO_UDP), test(NFT_TRANSPORT, 0, ports, sizeof(ports)));
	RULE(l, DROP, is_type(ETHERTYPE_IP), is_protocol(IPPROTO_UDP),
	    is_from_port(PORT_DHCP));
	RULE(l, ACCEPT, is_type(ETHERTYPE_IP),
	    test(NFT_NETWORK, IP_FROM_AT, own, sizeof(*own)));
}

/* Its hardware address with the middle filled and the "global" bit turned over. */
static void
iface_of(const uint8_t mac[6], uint8_t out[IFACE_BYTES])
{
	const uint8_t id[IFACE_BYTES] = { mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe,
		mac[3], mac[4], mac[5] };

	memcpy(out, id, sizeof(id));
}

static void
put_ip6_rules(const struct list *l, const uint8_t mac[6])
{
	const uint8_t none[IFACE_BYTES] = { 0 };
	uint8_t own[IFACE_BYTES];

	iface_of(mac, own);
	RULE(l, DROP, is_type(ETHERTYPE_IPV6), is_protocol(IPPROTO_ICMPV6),
	    is_icmp6(ND_ROUTER_ADVERT));
	RULE(l, DROP, is_type(ETHERTYPE_IPV6), is_protocol(IPPROTO_ICMPV6),
	    is_icmp6(ND_REDIRECT));
	RULE(l, DROP, is_type(ETHERTYPE_IPV6), is_protocol(IPPROTO_ICMPV6),
	    is_icmp6(ND_NEIGHBOR_ADVERT),
	    differs(test(NFT_TRANSPORT, ND_IFACE_AT, own, sizeof(own))));
	RULE(l, DROP, is_type(ETHERTYPE_IPV6), is_protocol(IPPROTO_UDP),
	    is_from_port(PORT_DHCP6));
	RULE(l, ACCEPT, is_type(ETHERTYPE_IPV6),
	    test(NFT_NETWORK, IP6_IFACE_AT, own, sizeof(own)));
	/* From no address yet: is it free, and which groups are listened to. */
	RULE(l, ACCEPT, is_type(ETHERTYPE_IPV6), is_protocol(IPPROTO_ICMPV6),
	    test(NFT_NETWORK, IP6_FROM_AT, none, sizeof(none)),
	    test(NFT_NETWORK, IP6_IFACE_AT, none, sizeof(none)));
}

static int
parse_address(const char *text, struct in_addr *ret_a, struct err *e)
{
	const char *slash = strchrnul(text, '/');
	AUTO_FREE char *alone = xstrndup(text, (size_t)(slash - text));

	if (inet_pton(AF_INET, alone, ret_a) == 1)
		return 0;
	return err_set(
	    e, ERR_INVALID, "address: wants 10.1.2.3/24, got \"%.40s\"", text);
}

static void
put_rules(const struct list *l, const struct guard_guest *g, const struct in_addr *own)
{
	put_mac_rules(l, g->mac);
	if (!*g->address)
		return;
	put_arp_rules(l, own);
	put_ip_rules(l, own);
	put_ip6_rules(l, g->mac);
	RULE(l, ACCEPT, is_type(ETHERTYPE_REVARP));
	nft_put_rule(
	    l->batch, l->port, &(const struct nft_rule){ .fate = NFT_FATE_DROP });
}

int
guard_set(struct nl *nl, const char *port, const struct guard_guest *g, struct err *e)
{
	struct nft_batch b;
	const struct list l = { &b, port };
	struct in_addr own = { 0 };
	int rc;

	if (!nl->filter)
		return 0;
	rc = *g->address ? parse_address(g->address, &own, e) : 0;
	if (rc)
		return rc;
	nft_begin(&b);
	nft_put_chain(&b, port);
	put_rules(&l, g, &own);
	nft_put_jump(&b, port);
	rc = nft_commit(nl->filter, &b, e);
	return rc ? err_wrap(e, "cannot guard it") : 0;
}

int
guard_del(struct nl *nl, const char *port, struct err *e)
{
	struct err why = ERR_INIT;
	struct nft_batch b;
	int rc;

	if (!nl->filter)
		return 0;
	rc = nft_find_chain(nl->filter, port, &why);
	if (!rc) {
		/* They were made together: one that is absent has taken the other
		 * along. */
		nft_begin(&b);
		nft_del_jump(&b, port);
		nft_del_chain(&b, port);
		rc = nft_commit(nl->filter, &b, &why);
	}
	return rc && rc != ERR_NOT_FOUND ? err_set(e, rc, "%s", why.msg) : 0;
}

static int
open_filter(struct nl_sock **ret_sock, struct err *e)
{
	struct nl_sock *sock = nl_socket_alloc();
	int rc = sock ? nl_connect(sock, NETLINK_NETFILTER) : -NLE_NOMEM;

	if (!rc) {
		*ret_sock = sock;
		return 0;
	}
	nl_socket_free(sock);
	return err_set(e, ERR_UNSUPPORTED, "this kernel has no packet filter: %s",
	    nl_geterror(rc));
}

int
guard_on(struct nl *nl, struct err *e)
{
	struct nl_sock *sock = NULL;
	struct nft_batch b;
	int rc = open_filter(&sock, e);

	if (rc)
		return rc;
	nft_begin(&b);
	nft_put_base(&b);
	rc = nft_commit(sock, &b, e);
	if (rc) {
		nl_socket_free(sock);
		return err_wrap(e, "this kernel does not filter on bridges");
	}
	nl_socket_free(nl->filter);
	nl->filter = sock;
	return 0;
}

int
guard_off(struct nl *nl, struct err *e)
{
	struct nl_sock *sock = NULL;
	struct err why = ERR_INIT;
	struct nft_batch b;
	int rc;

	nl_socket_free(nl->filter);
	nl->filter = NULL;
	/* Where there is no filter there is nothing to lift. */
	if (open_filter(&sock, &why))
		return 0;
	nft_begin(&b);
	nft_del_base(&b);
	rc = nft_commit(sock, &b, &why);
	nl_socket_free(sock);
	if (!rc || rc == ERR_NOT_FOUND || rc == ERR_UNSUPPORTED)
		return 0;
	return err_set(e, rc, "%s", why.msg);
}
