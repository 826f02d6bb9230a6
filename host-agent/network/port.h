/*
 * port: a guest's wire on a bridge of this host: a machine's is a tap device, a
 * container's a pair of ends, of which one goes into its network namespace.
 *
 * A tap lives as long as somebody holds its descriptor: the guest's process keeps it,
 * and when that ends, however it ends, the tap is gone.  A pair goes with the namespace
 * that its inner end is in.
 *
 * Where guard_on() has been called, what a guest may not send is dropped at its port.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/network/nl.h"

#define PORT_NAME_MAX 16

struct port_spec {
	uint64_t guest;
	unsigned nic; /* 0 for the first */
	const char *bridge;
	const char *mac;     /* the guest's, "52:54:00:…" */
	const char *address; /* "10.1.2.3/24": the only one it sends from; "", NULL: any
			      */
	uint32_t vlan;       /* 0: untagged */
	/* Towards the guest and from it; 0: no limit. */
	uint64_t rx_kbit, tx_kbit;
};

/* "dvt42n0" of guest 42's first nic; at most 15 characters for any number. Pure. */
void port_name(uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX]);
/* "dvc42n0": the end of a pair that is the container's. */
void port_inner_name(uint64_t guest, unsigned nic, char buf[PORT_NAME_MAX]);
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

/* Where a pair's inner end is made, and what it is called there. */
struct port_far {
	int netns; /* descriptor of a network namespace */
	const char *name;
};

/*
 * Make a pair, put its outer end (port_name) on the bridge, and leave it down: shut.
 * The inner end has the guest's hardware address.  With far NULL it is port_inner_name
 * and waits in this network namespace for whoever moves it into the container's; to be
 * moved takes it ten times as long as to be made there.  A leftover of that name is
 * replaced.
 */
int port_pair_add(struct nl *nl, const struct port_spec *p, const struct port_far *far,
    struct err *e) WARN_UNUSED;
/*
 * What goes before a port_pair_add that another process makes: that its bridge takes it
 * is known, no leftover of it is there, and its rules wait for it, so that it is never
 * there without.  port_del takes that back too.
 */
int port_pair_allow(
    struct nl *nl, const struct port_spec *p, struct err *e) WARN_UNUSED;
/*
 * Take the outer end of a pair up or down.  One that opens tells the bridge and what is
 * behind it where the guest is now; that they do not take it in is no failure.
 */
int port_gate(
    struct nl *nl, uint64_t guest, unsigned nic, bool open, struct err *e) WARN_UNUSED;
/* What may leave a port that is there already, as p has it. */
int port_guard(struct nl *nl, const struct port_spec *p, struct err *e) WARN_UNUSED;
/* Make a port that is from another one: bridge, VLAN, address and limits; the guest
 * keeps its wire, open or shut as it was. Nothing is undone when it fails: the way back
 * is the same call. */
int port_set(struct nl *nl, const struct port_spec *from, const struct port_spec *to,
    struct err *e) WARN_UNUSED;
/* Take it away, whoever holds it; absent is fine. */
int port_del(struct nl *nl, uint64_t guest, unsigned nic, struct err *e) WARN_UNUSED;
/* Names of the bridges of this host, NULL-ended; caller frees each and the list. */
int port_bridges(struct nl *nl, char ***ret_names, struct err *e) WARN_UNUSED;
