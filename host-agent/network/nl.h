/*
 * nl: the kernel's links, in the network namespace this process was in at nl_new.
 *
 * Requests are answered by the kernel at once (no waiting for anybody), so these calls
 * are made on the loop thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define NL_ALIAS_MAX 64

struct nl;

struct nl_link {
	int index;
	uint32_t mtu;
	bool is_bridge;
	bool vlan_filtering;
	int master; /* index of the bridge it is a port of; 0: none */
	bool up;
	char name[16];
	char alias[NL_ALIAS_MAX]; /* what we have noted at it; "" if nothing */
};

int nl_new(struct nl **ret_nl, struct err *e) WARN_UNUSED;
void nl_free(struct nl *nl);
/* ERR_NOT_FOUND if there is no such link. */
int nl_link_get(
    struct nl *nl, const char *name, struct nl_link *ret_l, struct err *e) WARN_UNUSED;
/* Every link; on_link must not call nl. */
int nl_link_each(struct nl *nl, void (*on_link)(const struct nl_link *l, void *arg),
    void *arg, struct err *e) WARN_UNUSED;
/* What a port of a bridge needs: address, mtu, no IPv6 of its own, master.  Up or down
 * as it was. */
int nl_link_enslave(struct nl *nl, int index, int bridge, const uint8_t mac[6],
    uint32_t mtu, struct err *e) WARN_UNUSED;
/* Make vlan (1…4094) the port's only, untagged one instead of from; a fresh port is in
 * VLAN 1. */
int nl_port_vlan(
    struct nl *nl, int index, uint16_t from, uint16_t vlan, struct err *e) WARN_UNUSED;
int nl_link_up(struct nl *nl, int index, struct err *e) WARN_UNUSED;
int nl_link_down(struct nl *nl, int index, struct err *e) WARN_UNUSED;
/* Note a text at it, at most NL_ALIAS_MAX - 1 characters, for people and for later. */
int nl_link_note(struct nl *nl, int index, const char *text, struct err *e) WARN_UNUSED;
int nl_link_del(struct nl *nl, int index, struct err *e) WARN_UNUSED;

/* ---- nl_pair.c: two ends of a wire ---- */

/* Both down.  mac and mtu are the inner end's. */
struct nl_pair {
	const char *outer, *inner;
	uint8_t mac[6];
	uint32_t mtu;
	const int *netns; /* the inner end is born there; NULL: here */
};

int nl_pair_add(struct nl *nl, const struct nl_pair *p, struct err *e) WARN_UNUSED;
/* The bridge is to look for mac at its port link, until mac speaks at another one. */
int nl_port_learn(struct nl *nl, int index, const uint8_t mac[6], uint16_t vlan,
    struct err *e) WARN_UNUSED;
/* And no more; absent is fine. */
int nl_port_forget(struct nl *nl, int index, const uint8_t mac[6], uint16_t vlan,
    struct err *e) WARN_UNUSED;

/* ---- nl_tc.c: how fast ---- */

/* Send at most so many bytes a second; 0: as many as there are. */
int nl_rate_set(
    struct nl *nl, int index, uint64_t bytes_per_s, struct err *e) WARN_UNUSED;
/*
 * The same for what link sends us: an intermediate link of that name takes it and
 * holds it back.  It is made, or removed for 0.
 */
int nl_intake_set(struct nl *nl, int index, const char *name, uint64_t bytes_per_s,
    struct err *e) WARN_UNUSED;
