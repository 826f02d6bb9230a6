/*
 * guard: what a guest may not send is dropped at its port, by the kernel (nftables,
 * family bridge, table "drover").
 *
 *   always            frames from its hardware address alone, none with a VLAN tag (a
 *                     port is in one VLAN), no ARP in another's name
 *   with an address   besides, nothing but IPv4 and ARP from that address, IPv6 from
 *                     addresses that end in the identifier made of its hardware
 *                     address (what SLAAC and link-local addresses are), and reverse
 *                     ARP; it asks for addresses (DHCP, duplicate detection), but is no
 *                     router and no DHCP server
 *
 * So whoever is to be a router, to serve DHCP or to have more addresses is given a card
 * without an address.  The rules are the kernel's: they stay while the agent is away.
 * Loop thread.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

struct nl;

struct guard_guest {
	uint8_t mac[6];
	const char *address; /* "10.1.2.3/24"; "": any */
};

/* Guard the ports that are made from now on.  ERR_UNSUPPORTED with the reason where
 * this kernel cannot; ports are made without then. */
int guard_on(struct nl *nl, struct err *e) WARN_UNUSED;
/* Lift what an earlier life of the agent has set. */
int guard_off(struct nl *nl, struct err *e) WARN_UNUSED;
/* Everything about that port at once, instead of what there was; it may come later. */
int guard_set(struct nl *nl, const char *port, const struct guard_guest *g,
    struct err *e) WARN_UNUSED;
/* Absent is fine. */
int guard_del(struct nl *nl, const char *port, struct err *e) WARN_UNUSED;
