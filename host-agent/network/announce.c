#include "host-agent/network/announce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "host-agent/network/nl_int.h"

struct tag {
	uint16_t type, vlan;
};

struct frame {
	uint8_t to[ETH_ALEN], from[ETH_ALEN];
	uint8_t rest[sizeof(struct tag) + sizeof(uint16_t) + sizeof(struct ether_arp)];
};

static size_t
make_frame(const struct whereabouts *who, struct frame *out)
{
	bool asks_for_ip = who->ip.s_addr != htonl(INADDR_ANY);
	const uint16_t type = htons(asks_for_ip ? ETH_P_ARP : ETH_P_RARP);
	const struct tag tag = { htons(ETH_P_8021Q), htons(who->vlan) };
	struct ether_arp a = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				   .ar_pro = htons(ETH_P_IP),
				   .ar_hln = ETH_ALEN,
				   .ar_pln = sizeof(a.arp_spa) } };
	uint8_t *p = out->rest;

	a.ea_hdr.ar_op = htons(asks_for_ip ? ARPOP_REQUEST : ARPOP_RREQUEST);
	memset(out->to, 0xff, ETH_ALEN);
	memcpy(out->from, who->mac, ETH_ALEN);
	memcpy(a.arp_sha, who->mac, ETH_ALEN);
	if (!asks_for_ip)
		memcpy(a.arp_tha, who->mac, ETH_ALEN);
	memcpy(a.arp_spa, &who->ip, sizeof(a.arp_spa));
	memcpy(a.arp_tpa, &who->ip, sizeof(a.arp_tpa));
	if (who->vlan) {
		memcpy(p, &tag, sizeof(tag));
		p += sizeof(tag);
	}
	memcpy(p, &type, sizeof(type));
	p += sizeof(type);
	memcpy(p, &a, sizeof(a));
	return (size_t)(p - (uint8_t *)out) + sizeof(a);
}

/* Kept: the kernel waits for every processor before one is closed, 10 ms and more. */
static int
packet_socket(struct nl *nl)
{
	if (nl->packet < 0)
		nl->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	return nl->packet;
}

int
announce(struct nl *nl, int bridge, const struct whereabouts *who, struct err *e)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
		.sll_ifindex = bridge };
	struct frame frame;
	size_t n = make_frame(who, &frame);
	int fd = packet_socket(nl);

	if (fd < 0 || sendto(fd, &frame, n, MSG_DONTWAIT, (const struct sockaddr *)&to,
			  sizeof(to)) < 0)
		return err_sys(e, errno == EPERM ? ERR_DENIED : ERR_IO, errno,
		    "cannot say through its bridge where it is");
	return 0;
}
