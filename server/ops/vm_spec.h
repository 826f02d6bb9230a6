/*
 * vm_spec: a machine of the inventory as its host is told; and its disks and NICs when
 * it is made.
 */
#pragma once
#include "base/arena.h"
#include "proto/msg.h"
#include "server/inventory/inv.h"

/* All memory is the arena's; texts are copied. */
Drover__GuestSpec *vm_spec(struct arena *a, const struct inv *inv, const struct vm *vm);

/* One NIC; address 0: none. */
json *vm_nics_one(obj_id network, const char *mac, uint32_t address);
/*
 * A MAC of QEMU's range from the machine's number and its cluster, that no machine has.
 */
void vm_mac_pick(const struct inv *inv, obj_id vm, obj_id cluster, char out[18]);
