/*
 * nl_int: what the files of this folder share.
 */
#pragma once
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "host-agent/network/nl.h"

struct nl {
	struct nl_sock *sock;
	struct nl_sock *filter; /* the packet filter's; NULL: ports are not guarded */
	int packet;             /* for frames of our own; -1: none yet */
};

/* Send it and wait for the kernel's word; the message is freed.  A libnl code. */
int nl_ask(struct nl *nl, struct nl_msg *m_take);
/* The same with "what (link index): the reason" for an error. */
int nl_ask_or(struct nl *nl, struct nl_msg *m_take, const char *what, int index,
    struct err *e) WARN_UNUSED;
int nl_code_of(int rc); /* ours for libnl's */
