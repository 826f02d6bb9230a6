/*
 * fence_ping: does anything beyond this host answer?
 *
 * Echo requests to the addresses that tell isolation (R11), or to the default gateways
 * where none are set.  Any answer counts.  Loop thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct fence_ping;
struct loop;

/* Who answered last counts from now on.  ERR_DENIED, ERR_UNSUPPORTED: this process may
 * not send them. */
int fence_ping_new(
    struct loop *l, struct fence_ping **ret_p, struct err *e) WARN_UNUSED;
void fence_ping_free(struct fence_ping *p); /* NULL is fine */
/* Ask each of them once; the answers come later. */
void fence_ping_send(struct fence_ping *p, const char *const *addresses, size_t n);
/* When somebody who was asked has answered. */
uint64_t fence_ping_heard_ms(const struct fence_ping *p);

/* The gateway of a line of /proc/net/route, "a.b.c.d"; NULL: it has no default route.
 * Caller frees.  Pure. */
char *fence_ping_gateway(const char *line);
