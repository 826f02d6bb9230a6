#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "host-agent/network/nl_int.h"

struct nl_msg *
nl_msg_new(int type, int flags, const void *head, size_t n)
{
	struct nl_msg *m = nlmsg_alloc_simple(type, flags);

	if (!m)
		abort();
	nl_put_head(m, head, n);
	return m;
}

void
nl_put_head(struct nl_msg *m, const void *head, size_t n)
{
	void *at = nlmsg_reserve(m, n, NLMSG_ALIGNTO);

	if (!at)
		abort();
	memcpy(at, head, n);
}

void
nl_put(struct nl_msg *m, int attr, const void *p, size_t n)
{
	if (nla_put(m, attr, (int)n, p))
		abort();
}

void
nl_put_text(struct nl_msg *m, int attr, const char *s)
{
	nl_put(m, attr, s, strlen(s) + 1);
}

struct nlattr *
nl_nest(struct nl_msg *m, int attr)
{
	struct nlattr *n = nla_nest_start(m, attr);

	if (!n)
		abort();
	return n;
}
