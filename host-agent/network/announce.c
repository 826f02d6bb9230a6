#include "host-agent/network/announce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
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
make_frame(const uint8_t mac[ETH_ALEN], uint16_t vlan, struct frame *out)
{
	const uint16_t type = htons(ETH_P_RARP);
	const struct tag tag = { htons(ETH_P_8021Q), htons(vlan) };
	struct ether_arp a = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				   .ar_pro = htons(ETH_P_IP),
				   .ar_hln = ETH_ALEN,
				   .ar_pln = sizeof(a.arp_spa),
				   .ar_op = htons(ARPOP_RREQUEST) } };
	uint8_t *p = out->rest;

	memset(out->to, 0xff, ETH_ALEN);
	memcpy(out->from, mac, ETH_ALEN);
	memcpy(a.arp_sha, mac, ETH_ALEN);
	memcpy(a.arp_tha, mac, ETH_ALEN);
	if (vlan) {
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
announce(struct nl *nl, int bridge, const uint8_t mac[ETH_ALEN], uint16_t vlan,
    struct err *e)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
		.sll_ifindex = bridge };
	struct frame frame;
	size_t n = make_frame(mac, vlan, &frame);
	int fd = packet_socket(nl);

	if (fd < 0 || sendto(fd, &frame, n, MSG_DONTWAIT, (const struct sockaddr *)&to,
			  sizeof(to)) < 0)
		return err_sys(e, errno == EPERM ? ERR_DENIED : ERR_IO, errno,
		    "cannot say through its bridge where it is");
	return 0;
}
