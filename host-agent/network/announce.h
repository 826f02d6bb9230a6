/*
 * announce: tell switches where a guest is now.
 *
 * A reverse ARP question from its hardware address goes out through the bridge, as QEMU
 * sends them for a machine that has come: it says nothing of addresses, so whoever
 * hears it learns the place alone.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

struct nl;

/* bridge by its index; vlan 0: untagged. */
int announce(struct nl *nl, int bridge, const uint8_t mac[6], uint16_t vlan,
    struct err *e) WARN_UNUSED;
