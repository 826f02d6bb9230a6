/*
 * vm_address: the addresses that machines have on a network, and one that is free.
 */
#pragma once
#include "server/ops/ops_int.h"

/* Of every card on it, and those that running tasks hold; caller frees. */
uint32_t *vm_addresses_used(
    const struct inv *inv, const struct advice *a, obj_id network, size_t *ret_n);
/*
 * The one that is asked for (NULL: the first that is free; 0 where the network gives
 * none).  ERR_EXISTS, ERR_INVALID, ERR_NO_CAPACITY.
 */
int vm_address_pick(const struct ops *ops, obj_id network, const char *asked,
    uint32_t *ret_ip, struct err *e) WARN_UNUSED;
