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

/* Messages; the kernel dies with us if there is no memory.  HEAD: the fixed head of n
 * bytes that a type of message begins with. */
struct nl_msg *nl_msg_new(int type, int flags, const void *head, size_t n);
void nl_put_head(struct nl_msg *m, const void *head, size_t n); /* one within */
void nl_put(struct nl_msg *m, int attr, const void *p, size_t n);
void nl_put_text(struct nl_msg *m, int attr, const char *s);
/* What is put from here on lies in attr, until nla_nest_end(). */
struct nlattr *nl_nest(struct nl_msg *m, int attr);
