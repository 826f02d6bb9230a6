/*
 * inv: what exists, as the server believes it; the whole of it in memory.
 *
 * Objects are read through const pointers that stay good until the next loop turn: keep
 * ids over a wait, never pointers.  Wishes change it only through a txn (txn.h), which
 * is one database transaction; usage figures through inv_note_*.  Each change gets the
 * next revision and goes to the feed (feed.h).  Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "server/inventory/inv_obj.h"

struct cluster { /* parent: datacenter */
	struct obj o;
	bool drs_enabled, ha_enabled;
	char *drs_automation_level;
	uint32_t drs_threshold, ha_failover_level;
	enum dpm_automation dpm_automation;
	json *dpm_wake, *dpm_standby; /* a hook and its arguments (power_hook.h) */
	enum ha_admission ha_admission;
	uint32_t ha_cpu_percent, ha_memory_percent;  /* kept free; 0: by the level */
	uint64_t ha_slot_cpu_mhz, ha_slot_memory_mb; /* 0: the largest reservation */
	struct id_list ha_failover_hosts; /* kept free, with HA_ADMIT_HOSTS */
	uint32_t ha_degradation_percent;  /* demand that a failure may cost unsaid */
	enum ha_priority ha_restart_priority;
	enum ha_gate ha_gate; /* between the priorities */
	uint32_t ha_gate_limit_s;
	enum ha_response ha_isolation_response;
	char *ha_isolation_addresses; /* list; NULL: the networks' gateways */
	uint32_t ha_isolation_s;      /* 0: no host is ever isolated */
	enum ha_monitoring ha_monitoring;
	enum ha_terms ha_terms;
	enum proactive_mode ha_proactive; /* about failing hosts (ha_proactive.h) */
	enum ha_remedy ha_proactive_moderate, ha_proactive_severe;
	/* How it stands (server/ha/ha_capacity.h); nothing where HA is off. */
	uint32_t ha_survives; /* hosts */
	char *ha_capacity;
	uint64_t ha_slots_total, ha_slots_used, ha_slots_free, ha_slot_mhz, ha_slot_mb;
	char *ha_uuid; /* marks its lease areas; NULL: it never had any */
	uint32_t memory_overcommit_permille; /* 1000: no more than there is */
	uint32_t vcpus_per_core;
	struct id_list tags; /* here and below: inv_tag.h */
};

struct host { /* parent: cluster */
	struct obj o;
	char *uuid, *state_reason, *address, *cert_fingerprint, *cpu_model, *machine,
	    *kernel, *agent_version, *cgroup, *anti_spoof,
	    *cert_next; /* good beside the other until it was used */
	enum conn_state connection_state;
	uint32_t cpu_cores, cpu_mhz, cpu_total_mhz, cpu_usage_mhz;
	uint64_t memory_total_mb, memory_usage_mb, boot_time, last_seen;
	json *engines;
	json *cpu_flags, *channel_addresses; /* lists of texts */
	uint32_t channel_port;               /* 0: takes no transfers */
	enum maintenance_state maintenance;
	enum standby_state standby;
	bool flapping; /* it comes and goes: gets no guests */
	/* Over five minutes: its busiest card, waiting for disks; 0: or not known */
	uint32_t network_busy_permille, disk_busy_permille;
	enum host_health health;
	enum ha_remedy health_remedy; /* done about it; quarantine: gets no guests */
	json *health_conditions, *health_sources; /* hosts/host_health.c */
	uint32_t ha_slot; /* its block in its cluster's lease areas; 0: none yet */
	/* Its incarnation, and the last that gets no lease any more (ha_decide.h) */
	uint64_t ha_inc, ha_fenced_inc;
	uint64_t ha_off_inc; /* the last one that is confirmed to be without power */
	bool ha_frozen;      /* its agent is exchanged: its guests live on without it */
	char *ha_state, *ha_fencing; /* "partitioned"; "software fencing" */
	struct id_list tags;
};

struct pool { /* parent: cluster (the root pool "Resources") or pool */
	struct obj o;
	bool is_root;
	char *cpu_shares_level, *mem_shares_level;
	uint64_t cpu_shares, cpu_reservation_mhz, cpu_limit_mhz;
	uint64_t mem_shares, mem_reservation_mb, mem_limit_mb; /* limit 0: none */
	bool cpu_expandable,
	    mem_expandable;   /* may borrow reservation from the parent */
	bool scalable_shares; /* pools in it count by the shares of what runs there */
	struct id_list tags;
};

struct vm { /* parent: folder or datacenter */
	struct obj o;
	char *uuid, *power_reason, *engine, *ip_address, *notes;
	enum vm_lifecycle lifecycle;
	enum power_state power_state;
	obj_id host, pool;
	obj_id template_; /* NOLINT(readability-identifier-naming): a word of C++ */
	uint32_t num_cpu, pid, cpu_usage_mhz;
	uint64_t memory_mb, run_gen, started_at, memory_usage_mb, disk_usage_bytes;
	/* [{name, datastore: "datastore-1", path, format, size_bytes, backing?:
	 * [{path, format}] nearest first, iops_limit?, bytes_per_s_limit?}] */
	json *disks;
	/* [{name, network: "network-1", mac, address?, vlan?, rx_kbit_limit?,
	 * tx_kbit_limit?}] */
	json *nics;
	obj_id snapshot;          /* the one that its disks go on from, or none */
	bool needs_consolidation; /* images that no snapshot needs lie in its chains */
	json *seed;               /* {meta_data, user_data, network_config}, or NULL */
	enum guest_type guest_type;
	/* Of a container: {args?, env?, cwd?, uid?, gid?, groups?, stop_signal?,
	 * swap_limit_mb?, pids_limit?, io_weight?, devices?, host_name?, dns?}; as
	 * proto/guest.proto has them. NULL: a machine. */
	json *container;
	/* NULL: "normal"; the numbers count for "custom" only; limit 0: none */
	char *cpu_shares_level, *mem_shares_level;
	uint64_t cpu_shares, cpu_reservation_mhz, cpu_limit_mhz;
	uint64_t mem_shares, mem_reservation_mb, mem_limit_mb;
	char *drs_automation; /* instead of the cluster's level; NULL: as that */
	/* NULL: as the cluster; texts of ha_priority, ha_response and ha_monitoring */
	char *ha_restart_priority, *ha_isolation_response, *ha_monitoring;
	json *ha_depends;       /* [{vm, gate, limit_s}], or NULL */
	uint32_t ha_ready_port; /* of HA_GATE_PORT; 0: none */
	bool ha_protected;      /* its present run is under leases */
	uint64_t ha_inc; /* of its host, when that run began or was last seen there */
	char *ha_status; /* why it is not protected or does not start, for people */
	json *counters;  /* [{name, unit, current, peak, limit, failures}], or NULL */
	bool guest_agent;
	uint64_t guest_heartbeat;
	char *guest_host_name, *guest_os;
	json *guest_addresses;
	struct id_list datastores, networks, tags;
};

/* parent: folder or datacenter */
struct template
{
	struct obj o;
	enum vm_lifecycle lifecycle;
	obj_id datastore;
	char *path, *format, *sha256, *notes, *version;
	uint64_t virtual_bytes, file_bytes, memory_mb;
	uint32_t num_cpu;
	json *copies; /* on other datastores: [{datastore, path, format, layers?}] */
	enum guest_type guest_type;
	json *layers;    /* of a container's, what path stands on: [{path, format}] */
	json *container; /* how its image wants to be run, as struct vm has it */
	struct id_list tags;
};

struct datastore { /* parent: datacenter */
	struct obj o;
	char *uuid, *type, *path;
	bool shared, accessible;
	struct id_list hosts, reachable_hosts, tags;
	uint64_t capacity_bytes, free_bytes;
	uint64_t quota_bytes;        /* of what users upload; 0: none */
	struct id_list silent_hosts; /* have left no beat there lately, as others see */
	char *beat_error; /* of a host that reaches it and cannot leave its beat */
};

struct network { /* parent: datacenter */
	struct obj o;
	char *bridge, *cidr, *gateway, *range_first, *range_last, *dns;
	uint32_t vlan;
	struct id_list tags;
};

struct task {         /* parent: none */
	struct obj o; /* name: the op, for people: "Create virtual machine" */
	char *op, *entity_name, *step, *error_code, *error_message, *user_name, *op_id;
	char *asked; /* digest of the arguments that came with op_id */
	obj_id entity, to_host; /* to_host: where it takes the entity, or none */
	enum task_state state;
	uint32_t step_index, progress; /* progress in percent */
	bool undoing;
	json *args, *result;
	uint64_t started_at, finished_at;
	char *waiting_for; /* why it stands still, for people */
	char *phase;       /* "copying memory, round 3" */
	uint64_t done_bytes, total_bytes, bytes_per_s, expected_end;
};

struct user {         /* parent: none */
	struct obj o; /* name: the login name */
	enum role role;
	char *password_hash;
	bool enabled;
	uint64_t last_login;
	json *preferences; /* what the pages remember for him, or NULL */
};

struct snapshot { /* parent: the machine */
	struct obj o;
	char *description;
	enum vm_lifecycle lifecycle;
	obj_id parent_snapshot; /* or none */
	uint64_t taken_at;
	enum power_state power_state;
	bool memory, quiesced;
	uint32_t num_cpu;
	uint64_t memory_mb, memory_bytes;
	json *disks; /* as of vm: the frozen images */
	json *nics;
};

struct inv;

/* NULL if there is none. */
const struct obj *inv_get(const struct inv *inv, obj_id id);
/* The object of an id, cast to its kind, or NULL: inv_vm(inv, id) … */
#define INV_GETTER(kind) \
	const struct kind *inv_##kind(const struct inv *inv, obj_id id);
INV_GETTER(datacenter)
INV_GETTER(folder)
INV_GETTER(cluster)
INV_GETTER(host)
INV_GETTER(pool)
INV_GETTER(vm)
INV_GETTER(template)
INV_GETTER(datastore)
INV_GETTER(network)
INV_GETTER(task)
INV_GETTER(user)
INV_GETTER(snapshot)
INV_GETTER(custspec)
INV_GETTER(rule)
INV_GETTER(rec)
#undef INV_GETTER
/* Every object of a kind in id order; NULL at the end. Start with OBJ_ID_NONE. */
const struct obj *inv_next(const struct inv *inv, enum obj_kind kind, obj_id after);
#define INV_EACH(inv, kind, var)                                                \
	for (const struct obj *var = inv_next((inv), (kind), OBJ_ID_NONE); var; \
	     var = inv_next((inv), (kind), var->id))
size_t inv_count(const struct inv *inv, enum obj_kind kind);
/* By name under a parent (names of one kind are unique there), NULL if there is none.
 */
const struct obj *inv_find(
    const struct inv *inv, obj_id parent, enum obj_kind kind, const char *name);
/* First ancestor of a kind (the object itself counts), or OBJ_ID_NONE. */
obj_id inv_ancestor(const struct inv *inv, obj_id id, enum obj_kind kind);
const char *inv_name(const struct inv *inv, obj_id id); /* "" if there is none */
uint64_t inv_rev(const struct inv *inv);                /* of the newest change */

/*
 * Usage figures and other volatile facts: no database, same feed. The struct's
 * non-volatile fields must not be touched: inv_note_begin gives the object for writing,
 * inv_note_end publishes the differing V fields.
 */
void *inv_note_begin(struct inv *inv, obj_id id); /* NULL if there is none */
void inv_note_end(struct inv *inv, obj_id id);
