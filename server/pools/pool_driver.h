/*
 * pool_driver: keeps the hosts told of their parts of the resource pools.
 *
 * It looks at the inventory when hosts, pools or guests change, and every two seconds,
 * for demand moves; a host is told when what it was told last does not hold any more. A
 * host that is away keeps its parts, and nobody else gets them.  Core thread.
 */
#pragma once

struct hosts;
struct inv;
struct pool_driver;

/* Both are borrowed and outlive it. */
struct pool_driver *pool_driver_new(struct inv *inv, struct hosts *hosts);
void pool_driver_free(struct pool_driver *d);
