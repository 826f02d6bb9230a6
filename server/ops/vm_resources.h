/*
 * vm_resources: the shares, reservations and limits of a guest as requests set them.
 *
 * Pure, but for what vm_resources_admit reads of the inventory.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "server/inventory/inv.h"
#include "server/pools/pool_tree.h"

/* clang-format off */
#define RESOURCE_SHARES_MAX 1000000000u
#define RESOURCE_AMOUNT_MAX (1ull << 40)
#define RESOURCE_LEVELS     "low|normal|high|custom"

#define VM_RESOURCE_ARGS \
	{ .name = "pool", .type = ARG_ID, .kinds = KIND_BIT(POOL), .help = "resource pool of its cluster that it is in" }, \
	{ .name = "cpu_shares_level", .type = ARG_WORD, .words = RESOURCE_LEVELS, .help = "CPU shares beside its siblings" }, \
	{ .name = "cpu_shares", .type = ARG_U64, .min = 1, .max = RESOURCE_SHARES_MAX, .help = "CPU shares of its own: level custom" }, \
	{ .name = "cpu_reservation_mhz", .type = ARG_U64, .max = RESOURCE_AMOUNT_MAX, .help = "CPU that it has in any case" }, \
	{ .name = "cpu_limit_mhz", .type = ARG_U64, .max = RESOURCE_AMOUNT_MAX, .help = "CPU that it never exceeds; 0: no limit" }, \
	{ .name = "mem_shares_level", .type = ARG_WORD, .words = RESOURCE_LEVELS, .help = "memory shares beside its siblings" }, \
	{ .name = "mem_shares", .type = ARG_U64, .min = 1, .max = RESOURCE_SHARES_MAX, .help = "memory shares of its own: level custom" }, \
	{ .name = "mem_reservation_mb", .type = ARG_U64, .max = RESOURCE_AMOUNT_MAX, .help = "memory that it has in any case" }, \
	{ .name = "mem_limit_mb", .type = ARG_U64, .max = RESOURCE_AMOUNT_MAX, .help = "memory that it never exceeds; 0: no limit" }
/* clang-format on */

/* Is one of them given?  The pool is not: no host is told of it by an order. */
bool vm_resources_given(const json *args);
/* Lay those that are given over vm, whose levels are its own.  ERR_INVALID names the
 * field; vm is as it was then, or the caller's to drop. */
int vm_resources_lay(struct vm *vm, const json *args, struct err *e) WARN_UNUSED;
/* May now, which is on, become wanted: a pool of the same cluster that admits what it
 * asks for more than it has, and HA's room for lost hosts? */
int vm_resources_admit(const struct inv *inv, const struct vm *now,
    const struct vm *wanted, struct err *e) WARN_UNUSED;
