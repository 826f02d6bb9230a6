/*
 * device_plan: a machine's lists of disks and network cards, and how they are after a
 * change.
 *
 * Pure.  The arguments are those of the operations of op_vm_device.c; what a task chose
 * for them ("mac", "address", "number") is among them.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "server/inventory/inv.h"

#define DEVICE_DISKS_MAX 16u
#define DEVICE_NICS_MAX  8u

enum device_verb {
	DEVICE_DISK_ADD,
	DEVICE_DISK_UPDATE,
	DEVICE_DISK_REMOVE,
	DEVICE_NIC_ADD,
	DEVICE_NIC_UPDATE,
	DEVICE_NIC_REMOVE,
};

struct device_lists {
	json *disks, *nics; /* owned; NULL: none */
	char name[16];      /* of the device */
};

/* ERR_NOT_FOUND, ERR_INVALID, ERR_NO_CAPACITY; nothing is filled then. */
int device_plan(const struct vm *vm, enum device_verb verb, const json *args,
    struct device_lists *out, struct err *e) WARN_UNUSED;
void device_lists_fini(struct device_lists *l);

/* The entry of that name in a list; NULL if there is none. */
const json *device_find(const json *list, const char *name);
