// A small inventory with one of everything, and answers to what the pages ask besides the watch.
import { invent } from "./fake.mjs";

const when = "2026-01-01T00:00:00.000Z";
const common = (id, kind, name, parent, more) => ({ id, kind, name, parent, rev: 1, created_at: when, tags: [], ...more });
const shares = {
  cpu_shares_level: "normal", cpu_shares: 4000, cpu_reservation_mhz: 500, cpu_limit_mhz: 0, mem_shares_level: "custom", mem_shares: 100, mem_reservation_mb: 512, mem_limit_mb: 2048,
};
const load = { cpu_before: 0.9, cpu_after: 0.5, memory_before: 0.4, memory_after: 0.3 };

const rec = common("rec-1", "rec", "Move web-9 from host-1 to host-2", "cluster-1", {
  vm: "vm-9", from_host: "host-1", to_host: "host-2", action: "move", priority: 2, reason: "balanceCpu", text: "evens out CPU", state: "pending", note: null, task: null,
  factors: {
    imbalance_before: { cpu: 0.3, memory: 0.1 }, imbalance_after: { cpu: 0.1, memory: 0.05 }, from_load: load, to_load: load, rules: [], broken_rule: null, company: null,
    copy_s: 2, pause_s: 0.4, cost_mhz_s: 4000, benefit_mhz_s: 90000, risk_mhz_s: -5000, net_benefit_mhz_s: 81000,
    alternatives: [{ host: "host-3", host_name: "host-3", term: "imbalance", text: "leaves an imbalance of 0.2", imbalance: 0.2 }],
  },
});

const more = [
  common("folder-1", "folder", "web tier", "dc-1", {}),
  common("pool-3", "pool", "dev", "pool-1", { ...shares, is_root: false, cpu_expandable: true, mem_expandable: false, scalable_shares: false }),
  common("template-1", "template", "debian-12", "dc-1", {
    lifecycle: "ready", datastore: "datastore-1", path: "templates/debian-12.qcow2", format: "qcow2", virtual_bytes: 8e9, file_bytes: 4e8, sha256: "ab".repeat(32), num_cpu: 2,
    memory_mb: 2048, notes: "for everybody", version: "12.5", copies: [], guest_type: "machine", layers: null, container: null,
  }),
  common("datastore-1", "datastore", "shared-1", "dc-1", {
    type: "folder", path: "/srv/guests", shared: true, hosts: ["host-1", "host-2", "host-3"], accessible: true, reachable_hosts: ["host-1", "host-2"], capacity_bytes: 4e12,
    free_bytes: 3e11, quota_bytes: 0, silent_hosts: [], beat_error: null,
  }),
  common("network-1", "network", "lan", "dc-1", {
    bridge: "br0", vlan: 10, cidr: "10.1.0.0/24", gateway: "10.1.0.1", range_first: "10.1.0.10", range_last: "10.1.0.99", dns: "10.1.0.1",
  }),
  common("rule-1", "rule", "apart", "cluster-1", { type: "apart", enabled: true, vms: ["vm-1", "vm-2"], hosts: [], vm_group: null, host_group: null, conflict: null }),
  common("snap-1", "snap", "before", "vm-1", { description: "a good day", lifecycle: "ready", parent_snapshot: null, taken_at: when, power_state: "powered_off", memory: false, quiesced: true }),
  common("category-1", "category", "Environment", null, { cardinality: "single", description: null }),
  common("tag-1", "tag", "prod", "category-1", { description: "may not stop" }),
  rec,
];

export function furnish() {
  const items = invent(3, 40);
  for (const o of items) {
    o.tags ??= [];
    if (o.kind === "vm")
      Object.assign(o, shares, {
        uuid: "5f3c", engine: "qemu", started_at: when, counters: null, guest_agent: true, guest_os: "Debian 12", guest_host_name: o.name, guest_addresses: [o.ip_address],
        datastores: ["datastore-1"], networks: ["network-1"], ha_protected: true, drs_automation: null, ha_restart_priority: null, ha_isolation_response: null, ha_monitoring: null,
        disks: [{ name: "disk-0", datastore: "datastore-1", path: `vms/${o.id}/disk-0.qcow2`, format: "qcow2", size_bytes: 8e9 }],
        nics: [{ name: "nic-0", network: "network-1", mac: "52:54:00:00:00:01", address: o.ip_address }],
      });
    if (o.kind === "host")
      Object.assign(o, {
        cpu_model: "A model of a processor with a long name @ 2.60GHz", machine: "x86_64", kernel: "6.1.0", agent_version: "0.1.0", boot_time: when, flapping: o.id === "host-3",
        engines: [{ name: "qemu", version: "7.2", accelerator: "kvm", usable: true }], ha_state: "up", ha_fencing: "software fencing",
      });
  }
  const by = (id) => items.find((o) => o.id === id);
  Object.assign(by("host-3"), { connection_state: "not_responding", state_reason: "silent for 40 s" });
  Object.assign(by("host-2"), { maintenance: "in" });
  Object.assign(by("vm-2"), { power_state: "powered_off", host: null, tags: ["tag-1"] });
  Object.assign(by("vm-3"), { power_state: "stalled", power_reason: "no space left on shared-1", pool: "pool-2" });
  Object.assign(by("vm-1"), { snapshot: "snap-1", notes: "the shop's front", tags: ["tag-1"], pool: "pool-3" });
  Object.assign(by("cluster-1"), { ha_enabled: true, ha_survives: 1, ha_capacity: "survives 1 host, any of them", ha_failover_level: 1, ha_admission: "percentage", memory_overcommit_permille: 1000, dpm_automation: "off" });
  return [...items, ...more];
}

const task = (n, state, more) => ({
  id: `task-${n}`, kind: "task", name: "Power on", op: "vm.start", entity: `vm-${n}`, entity_name: `web-${n}`, state, step: null, progress: state === "running" ? 40 : 100, result: null,
  error_message: null, user_name: "admin", created_at: when, started_at: when, finished_at: state === "running" ? null : when, parent: null, rev: 1, ...more,
});

export const others = {
  tasks: [task(1, "success"), task(2, "error", { error_message: "host-1 has 24 MB of memory free, 256 MB asked" }), task(3, "running", { op: "vm.migrate", name: "Move virtual machine", to_host: "host-2", phase: "copying memory, round 3", bytes_per_s: 9e7 })],
  events: [
    { id: "2", type: "VmDiedEvent", severity: "error", time: when, entity: "vm-2", entity_name: "web-2", user: null, message: "web-2 died" },
    { id: "1", type: "ObjectChangedEvent", severity: "info", time: when, entity: "pool-2", entity_name: "prod", user: "admin", message: "Changed the resources of pool prod" },
  ],
  alarms: [
    common("alarmdef-1", "alarmdef", "Host memory", null, { entity: null, target: "host", description: "memory of a host", enabled: true, match: "any", conditions: [{ counter: "mem.usage.average", red: 95, yellow: 90, above: true }], actions: [], silenced_until: null }),
    { id: "alarm-1", kind: "alarm", name: "Host memory", entity: "host-1", entity_name: "host-1", definition: "alarmdef-1", status: "red", reason: "memory 97 %", since: when, acknowledged: false, rev: 1 },
    { id: "alarm-2", kind: "alarm", name: "Datastore full", entity: "datastore-1", entity_name: "shared-1", definition: "alarmdef-1", status: "yellow", reason: "92 % used", since: when, acknowledged: true, acknowledged_by: "admin", rev: 1 },
  ],
};

const ramp = Array.from({ length: 60 }, (_, i) => 30 + 20 * Math.sin(i / 6));
const counter = { name: "cpu.usage.average", description: "CPU usage", unit: "%", level: 1 };
const user = (id, name, role) => ({ ...common(id, "user", name, null, {}), role, enabled: true, last_login: when });

/** What a question of the pages is answered; null: nothing in particular. */
export function tell(method, path) {
  if (method === "POST" && path.endsWith("/migrate-check"))
    return { body: { items: [{ host: "host-1", possible: false, obstacles: ["web-1 is on host-1 already"] }, { host: "host-2", possible: true, obstacles: [] }, { host: "host-3", possible: false, obstacles: ["host-3 does not respond"] }] } };
  if (method === "POST" && path.endsWith("/maintenance-check"))
    return { body: { items: [{ name: "Move web-1", action: "move", vm: "vm-1", to_host: "host-2", reason: "evacuate", text: "host-2 has the most room" }], blockers: [] } };
  if (method !== "GET") return null;
  if (path.startsWith("/stats/counters")) return { body: { items: [counter] } };
  if (path.startsWith("/stats"))
    return { body: { interval_s: 20, first: when, count: 60, series: [{ object: "vm-1", counter: counter.name, unit: "%", instance: "", values: ramp }], items: [] } };
  if (path.endsWith("/ha"))
    return {
      body: {
        enabled: true, braked: false, protected: 38, unprotected: [{ vm: "vm-3", name: "web-3", text: "it is stalled" }], waiting: [], failovers: [],
        hosts: [1, 2, 3].map((n) => ({ host: `host-${n}`, name: `host-${n}`, state: n === 3 ? "partitioned" : "up", fencing: "software fencing", protected: 12, silent_ms: 200, lease_ms: 4000, fenced: false })),
        admission: { policy: "percentage", cpu_unreserved_permille: 800, cpu_keep_permille: 330, memory_unreserved_permille: 700, memory_keep_permille: 330 },
        capacity: { survives: 1, text: "survives 1 host, any of them", losses: [] },
      },
    };
  if (path === "/users") return { body: { items: [user("user-1", "admin", "administrator"), user("user-2", "anna", "operator")], total: 2, rev: 1, next: null } };
  if (path === "/sessions") return { body: { items: [{ id: "s1", user: "admin", address: "10.0.0.9", created_at: when, seen_at: when, expires_at: when }] } };
  if (path === "/tokens") return { body: { items: [{ id: "t1", name: "backup", user_name: "admin", created_at: when, expires_at: when, seen_at: null }] } };
  if (path === "/events") return { body: { items: others.events, next: null } };
  return null;
}
