#include "server/ops/net_plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define MAX_DNS 3

int
ipv4_parse(const char *s, const char *what, uint32_t *ret_ip, struct err *e)
{
	struct in_addr in;

	if (inet_pton(AF_INET, s, &in) != 1)
		return err_set(
		    e, ERR_INVALID, "%s: \"%.60s\" is not an IPv4 address", what, s);
	*ret_ip = ntohl(in.s_addr);
	return 0;
}

const char *
ipv4_text(uint32_t ip, char buf[IPV4_TEXT])
{
	snprintf(buf, IPV4_TEXT, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff,
	    ip >> 8 & 0xff, ip & 0xff);
	return buf;
}

static bool
given(const char *s)
{
	return s && s[0];
}

static uint32_t
mask_of(uint32_t prefix)
{
	return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

static int
parse_cidr(const char *cidr, struct net_plan *p, struct err *e)
{
	char addr[64];
	const char *slash = strchr(cidr, '/');
	uint64_t prefix;

	if (!slash || (size_t)(slash - cidr) >= sizeof(addr))
		return err_set(e, ERR_INVALID,
		    "cidr: \"%.60s\" is no network like 10.1.2.0/24", cidr);
	memcpy(addr, cidr, (size_t)(slash - cidr));
	addr[slash - cidr] = '\0';
	int rc = ipv4_parse(addr, "cidr", &p->base, e);
	if (!rc)
		rc = parse_u64(slash + 1, 1, 30, "cidr: its prefix", &prefix, e);
	if (rc)
		return rc;
	p->prefix = (uint32_t)prefix;
	if (p->base & ~mask_of(p->prefix))
		return err_set(
		    e, ERR_INVALID, "cidr: \"%.60s\" has bits beyond its prefix", cidr);
	return 0;
}

/* An address of the network that a machine can have. */
static int
parse_inside(const struct net_plan *p, const char *s, const char *what,
    uint32_t *ret_ip, struct err *e)
{
	uint32_t mask = mask_of(p->prefix), ip = 0;

	if (!p->prefix)
		return err_set(e, ERR_INVALID, "%s: needs a cidr too", what);
	int rc = ipv4_parse(s, what, &ip, e);
	if (rc)
		return rc;
	if ((ip & mask) != p->base || ip == p->base || ip == (p->base | ~mask))
		return err_set(
		    e, ERR_INVALID, "%s: %s is no address of the network", what, s);
	*ret_ip = ip;
	return 0;
}

static int
check_range(const struct net_texts *n, struct net_plan *p, struct err *e)
{
	if (!given(n->range_first) && !given(n->range_last))
		return 0;
	if (!given(n->range_first) || !given(n->range_last))
		return err_set(
		    e, ERR_INVALID, "range_first and range_last go together");
	int rc = parse_inside(p, n->range_first, "range_first", &p->first, e);
	if (!rc)
		rc = parse_inside(p, n->range_last, "range_last", &p->last, e);
	if (!rc && p->first > p->last)
		return err_set(e, ERR_INVALID,
		    "range_first: %s is beyond range_last, %s", n->range_first,
		    n->range_last);
	return rc;
}

int
ipv4_list_check(const char *s, const char *what, unsigned max, struct err *e)
{
	unsigned n = 0;

	for (const char *p = s; *p;) {
		size_t len = strcspn(p, ",");
		char one[64];
		uint32_t ip;
		if (len >= sizeof(one) || ++n > max)
			return err_set(e, ERR_INVALID,
			    "%s: wants up to %u addresses with commas between", what,
			    max);
		memcpy(one, p, len);
		one[len] = '\0';
		int rc = ipv4_parse(one, what, &ip, e);
		if (rc)
			return rc;
		p += len + (p[len] == ',');
	}
	return 0;
}

int
net_plan_check(const struct net_texts *n, struct net_plan *ret, struct err *e)
{
	struct net_plan p = { 0 };
	int rc = given(n->cidr) ? parse_cidr(n->cidr, &p, e) : 0;

	if (!rc && given(n->gateway))
		rc = parse_inside(&p, n->gateway, "gateway", &p.gateway, e);
	if (!rc)
		rc = check_range(n, &p, e);
	if (!rc && given(n->dns))
		rc = ipv4_list_check(n->dns, "dns", MAX_DNS, e);
	if (!rc)
		*ret = p;
	return rc;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
net_plan_pick(
    const struct net_plan *p, uint32_t *used, size_t n, uint32_t *ret_ip, struct err *e)
{
	uint64_t ip = p->first;
	char first[IPV4_TEXT], last[IPV4_TEXT];

	if (n)
		qsort(used, n, sizeof(*used), by_value);
	size_t i = 0;
	for (; ip <= p->last; ip++) {
		while (i < n && used[i] < ip)
			i++;
		if (ip != p->gateway && (i == n || used[i] != ip))
			break;
	}
	if (ip > p->last)
		return err_set(e, ERR_NO_CAPACITY, "no free address in %s-%s",
		    ipv4_text(p->first, first), ipv4_text(p->last, last));
	*ret_ip = (uint32_t)ip;
	return 0;
}
