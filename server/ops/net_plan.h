/*
 * net_plan: a network's address range: is it sound, and which address is free.  Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IPV4_TEXT 16

/* As the API has them; NULL or "" for absent. */
struct net_texts {
	const char *cidr; /* "10.1.2.0/24" */
	const char *gateway;
	const char *range_first, *range_last;
	const char *dns; /* "10.1.2.1,10.1.2.2" */
};

/* IPv4 addresses in host order; 0: none. */
struct net_plan {
	uint32_t base, prefix;
	uint32_t gateway;
	uint32_t first, last; /* 0: guests get no addresses */
};

/* Every error names the field. */
int net_plan_check(
    const struct net_texts *n, struct net_plan *ret, struct err *e) WARN_UNUSED;
/*
 * The lowest address of the range that is not in used (in no order; changed by the
 * call). ERR_NO_CAPACITY "no free address in 10.1.2.10-10.1.2.20".
 */
int net_plan_pick(const struct net_plan *p, uint32_t *used, size_t n, uint32_t *ret_ip,
    struct err *e) WARN_UNUSED;

int ipv4_parse(
    const char *s, const char *what, uint32_t *ret_ip, struct err *e) WARN_UNUSED;
/* "10.0.0.1,10.0.0.2": at most max of them; "" is fine. */
int ipv4_list_check(
    const char *s, const char *what, unsigned max, struct err *e) WARN_UNUSED;
const char *ipv4_text(uint32_t ip, char buf[IPV4_TEXT]);
