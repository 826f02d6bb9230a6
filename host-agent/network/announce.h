/*
 * announce: tell switches where a guest is now.
 *
 * From its hardware address it asks through the bridge who has its own address (ARP):
 * whoever knows that one under the card of somebody before it learns better.  Where the
 * address is not known it is a reverse ARP question, as QEMU sends them for a machine
 * that has come, and tells the place alone.
 */
#pragma once
#include <netinet/in.h>
#include <stdint.h>

#include "base/err.h"

struct nl;

struct whereabouts {
	uint8_t mac[6];
	uint16_t vlan;     /* 0: untagged */
	struct in_addr ip; /* INADDR_ANY: not known */
};

/* bridge by its index. */
int announce(struct nl *nl, int bridge, const struct whereabouts *who,
    struct err *e) WARN_UNUSED;
