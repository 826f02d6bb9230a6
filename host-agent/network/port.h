/*
 * port: a guest's wire: a tap device on a bridge of this host.
 *
 * The tap lives as long as somebody holds its descriptor: the guest's process keeps it,
 * and when that ends, however it ends, the tap is gone.
 */
#pragma once
#include "host-agent/network/nl.h"

#define PORT_NAME_MAX 16

struct port_spec {
	uint64_t guest;
	unsigned nic; /* 0 for the first */
	const char *bridge;
	const char *mac; /* the guest's, "52:54:00:…" */
	uint32_t vlan;   /* 0: untagged */
	/* Towards the guest and from it; 0: no limit. */
	uint64_t rx_kbit, tx_kbit;
};

/* "dvt42n0" of guest 42's first nic; at most 15 characters for any number. Pure. */
void port_name(uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX]);
/* "dvi42n0": the link that holds back what the guest sends. */
void port_intake_name(uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX]);
/* Six bytes of "52:54:00:12:34:56"; refuses group and all-zero addresses. Pure. */
int port_mac_parse(const char *s, uint8_t ret_mac[6], struct err *e) WARN_UNUSED;
/*
 * Make the tap, put it on the bridge, take it up.  *ret_fd is the tap (IFF_VNET_HDR,
 * non-blocking, close-on-exec), to be handed to engine_start and then closed.  A
 * leftover of that name whose holder is gone is replaced; one in use is ERR_BUSY.
 */
int port_add(
    struct nl *nl, const struct port_spec *p, int *ret_fd, struct err *e) WARN_UNUSED;
/* Make a port that is from another one: bridge, VLAN and limits; the guest keeps its
 * wire. Nothing is undone when it fails: the way back is the same call. */
int port_set(struct nl *nl, const struct port_spec *from, const struct port_spec *to,
    struct err *e) WARN_UNUSED;
/* Take it away, whoever holds it; absent is fine. */
int port_del(struct nl *nl, uint64_t guest, unsigned nic, struct err *e) WARN_UNUSED;
/* Names of the bridges of this host, NULL-ended; caller frees each and the list. */
int port_bridges(struct nl *nl, char ***ret_names, struct err *e) WARN_UNUSED;
