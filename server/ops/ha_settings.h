/*
 * ha_settings: what requests may set of HA, for clusters and for guests.
 *
 * It is laid over what a transaction edits: a refusal names the field, and the
 * transaction is dropped.  The arguments' types and words have been checked.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "server/inventory/inv.h"

struct txn;

/* clang-format off */
#define HA_MAX_DEPENDS   32u
#define HA_MAX_ADDRESSES 10u
#define HA_MAX_SECONDS   86400u
#define HA_MAX_LEVEL     1000u
#define HA_MAX_AMOUNT    (1ull << 32)
#define HA_PRIORITIES    "off|lowest|low|medium|high|highest"
#define HA_RESPONSES     "leave_on|shut_down|power_off"
#define HA_MONITORINGS   "off|low|medium|high"
#define HA_GATES         "none|powered_on|heartbeat|port"

#define HA_CLUSTER_ARGS \
	{ .name = "ha_enabled", .type = ARG_BOOL, .help = "start the guests of a lost host elsewhere" }, \
	{ .name = "ha_admission", .type = ARG_WORD, .words = "percentage|slots|hosts|off", \
	  .help = "how room is kept for the guests of lost hosts" }, \
	{ .name = "ha_failover_level", .type = ARG_U32, .max = HA_MAX_LEVEL, \
	  .help = "how many hosts may be lost at once" }, \
	{ .name = "ha_cpu_percent", .type = ARG_U32, .max = 100, \
	  .help = "CPU kept free, with percentage; 0: as much as the failover level needs" }, \
	{ .name = "ha_memory_percent", .type = ARG_U32, .max = 100, \
	  .help = "memory kept free, with percentage; 0: as much as the failover level needs" }, \
	{ .name = "ha_slot_cpu_mhz", .type = ARG_U64, .max = HA_MAX_AMOUNT, \
	  .help = "a slot's CPU at most; 0: the largest reservation" }, \
	{ .name = "ha_slot_memory_mb", .type = ARG_U64, .max = HA_MAX_AMOUNT, \
	  .help = "a slot's memory at most; 0: the largest reservation" }, \
	{ .name = "ha_failover_hosts", .type = ARG_IDS, .kinds = KIND_BIT(HOST), \
	  .help = "kept free, with hosts; forgotten when another way is chosen" }, \
	{ .name = "ha_degradation_percent", .type = ARG_U32, .max = 100, \
	  .help = "of what guests use that they may lose with the hosts without a warning; 100: there is none" }, \
	{ .name = "ha_restart_priority", .type = ARG_WORD, .words = HA_PRIORITIES, \
	  .help = "of its guests; off: they are not started elsewhere" }, \
	{ .name = "ha_gate", .type = ARG_WORD, .words = "none|powered_on|heartbeat|port", \
	  .help = "what guests of a priority have to reach before those of the next one start" }, \
	{ .name = "ha_gate_limit_s", .type = ARG_U32, .min = 1, .max = HA_MAX_SECONDS, \
	  .help = "how long they are waited for" }, \
	{ .name = "ha_isolation_response", .type = ARG_WORD, .words = HA_RESPONSES, \
	  .help = "what a host does with its guests that reaches nobody any more" }, \
	{ .name = "ha_isolation_addresses", .type = ARG_TEXT, .max = 200, \
	  .help = "IPv4 addresses with commas between that a host tries; empty: the gateways of its networks" }, \
	{ .name = "ha_isolation_s", .type = ARG_U32, .max = HA_MAX_SECONDS, \
	  .help = "how long none of them answers until a host is isolated; 0: it never is" }, \
	{ .name = "ha_monitoring", .type = ARG_WORD, .words = HA_MONITORINGS, \
	  .help = "reset guests that have stopped working; high: soonest" }, \
	{ .name = "ha_terms", .type = ARG_WORD, .words = "software|watchdog|tolerant", \
	  .help = "how long leases are: what ends guests, and whether storage may stall" }, \
	{ .name = "ha_proactive", .type = ARG_WORD, .words = "off|manual|automatic", \
	  .help = "guests leave hosts that report failing hardware, or that is recommended" }, \
	{ .name = "ha_proactive_moderate", .type = ARG_WORD, .words = "quarantine|maintenance", \
	  .help = "what becomes of a host that reports errors: no more guests, or none at all" }, \
	{ .name = "ha_proactive_severe", .type = ARG_WORD, .words = "quarantine|maintenance", \
	  .help = "the same of one that may fail at any time" }

#define HA_GUEST_ARGS \
	{ .name = "ha_restart_priority", .type = ARG_WORD, .words = "cluster|" HA_PRIORITIES, \
	  .help = "instead of its cluster's; off: it is not started elsewhere" }, \
	{ .name = "ha_isolation_response", .type = ARG_WORD, .words = "cluster|" HA_RESPONSES, \
	  .help = "instead of its cluster's" }, \
	{ .name = "ha_monitoring", .type = ARG_WORD, .words = "cluster|" HA_MONITORINGS, \
	  .help = "instead of its cluster's" }, \
	{ .name = "ha_depends", .type = ARG_LIST, .max = HA_MAX_DEPENDS, \
	  .help = "guests that start before it when a host was lost: [{vm, gate (powered_on), limit_s (600)}]" }, \
	{ .name = "ha_ready_port", .type = ARG_U32, .max = 65535, \
	  .help = "TCP port that answers once it works, for gate port; 0: none" }
/* clang-format on */

/* What a new cluster has. */
void ha_cluster_preset(struct cluster *cl);
/* Is anything of it given? */
bool ha_cluster_given(const json *args);
bool ha_guest_given(const json *args);
/* ERR_INVALID for what contradicts the cluster's hosts or other settings. */
int ha_cluster_lay(const struct inv *inv, struct cluster *cl, const json *args,
    struct err *e) WARN_UNUSED;
/* ERR_INVALID also for dependencies that go round: the guests are named in order. */
int ha_guest_lay(
    const struct inv *inv, struct vm *vm, const json *args, struct err *e) WARN_UNUSED;
/* A host or guest is going: no cluster keeps it free, and no guest waits for it. */
void ha_settings_forget(const struct inv *inv, struct txn *t, obj_id gone);
