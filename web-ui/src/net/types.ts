// The objects of the API that the pages use; docs/api.md names every field.
export interface Obj {
  id: string;
  kind: string;
  name: string;
  parent: string | null;
  rev: number;
  created_at: string;
  /** Ids of its tags; of kinds that can have some. */
  tags?: string[];
}

export interface Category extends Obj {
  cardinality: "single" | "multiple";
  description: string | null;
}

/** Its parent is its category. */
export interface Tag extends Obj {
  description: string | null;
}

export type PowerState = "powered_off" | "starting" | "powered_on" | "paused" | "stalled" | "suspended" | "unknown";

export type GuestType = "machine" | "container";

/** One resource of a guest: what it has now, had at most, may have, and how often it was refused more. */
export interface Counter {
  name: string;
  unit: string;
  current: number;
  peak: number;
  limit: number;
  failures: number;
}

/** Shares, reservation and limit; of pools and guests alike. A limit of 0 is none. */
export interface Resources {
  cpu_shares_level: string | null;
  cpu_shares: number;
  cpu_reservation_mhz: number;
  cpu_limit_mhz: number;
  mem_shares_level: string | null;
  mem_shares: number;
  mem_reservation_mb: number;
  mem_limit_mb: number;
}

export interface Disk {
  name: string;
  datastore: string;
  path: string;
  format: string;
  size_bytes: number;
}

export interface Nic {
  name: string;
  network: string;
  mac: string;
  address?: string;
  vlan?: number;
}

export interface Vm extends Obj, Resources {
  guest_type: GuestType;
  counters: Counter[] | null;
  power_state: PowerState;
  power_reason: string | null;
  lifecycle: string;
  host: string | null;
  pool: string | null;
  template: string | null;
  engine: string | null;
  uuid: string;
  num_cpu: number;
  memory_mb: number;
  disks: Disk[] | null;
  nics: Nic[] | null;
  ip_address: string | null;
  started_at: string | null;
  cpu_usage_mhz: number;
  memory_usage_mb: number;
  notes: string | null;
  datastores: string[];
  networks: string[];
  snapshot: string | null;
  needs_consolidation: boolean;
  drs_automation: string | null;
  ha_restart_priority: string | null;
  ha_isolation_response: string | null;
  ha_monitoring: string | null;
  ha_protected: boolean;
  ha_status: string | null;
  guest_agent: boolean;
  guest_host_name: string | null;
  guest_os: string | null;
  guest_addresses: string[] | null;
}

export interface Snapshot extends Obj {
  description: string | null;
  lifecycle: string;
  parent_snapshot: string | null;
  taken_at: string | null;
  power_state: PowerState;
  memory: boolean;
  quiesced: boolean;
}

export interface Datastore extends Obj {
  hosts: string[];
  capacity_bytes: number;
  free_bytes: number;
  quota_bytes: number;
  type: string;
  path: string;
  shared: boolean;
  accessible: boolean;
  reachable_hosts: string[];
}

/** What is in the way of a machine's move to one host. */
export interface MoveCheck {
  host: string;
  possible: boolean;
  obstacles: string[];
}

export interface MoveResult {
  total_ms: number;
  outage_ms: number | null;
  outage_why_not?: string;
}

export interface Host extends Obj {
  connection_state: "connected" | "disconnected" | "not_responding";
  state_reason: string | null;
  address: string | null;
  cpu_cores: number;
  cpu_mhz: number;
  cpu_total_mhz: number;
  cpu_usage_mhz: number;
  cpu_model: string | null;
  memory_total_mb: number;
  memory_usage_mb: number;
  machine: string | null;
  kernel: string | null;
  agent_version: string | null;
  boot_time: string | null;
  engines: { name: string; version: string; accelerator: string; usable: boolean }[] | null;
  maintenance: "none" | "entering" | "in";
  standby: "none" | "entering" | "in" | "waking";
  flapping: boolean;
  health: "unknown" | "ok" | "moderate" | "severe";
  health_conditions: { source: string; component: string; severity: string; text: string; since: number }[] | null;
  /** What was done about it: "quarantine": it gets no guests. */
  health_remedy: "none" | "quarantine" | "maintenance";
  /** Of a cluster with HA, once it has sent heartbeats: "up", "partitioned" and the like. */
  ha_state: string | null;
  ha_fencing: string | null;
}

export interface Cluster extends Obj {
  drs_enabled: boolean;
  drs_automation_level: string;
  drs_threshold: number;
  dpm_automation: string;
  ha_enabled: boolean;
  ha_failover_level: number;
  ha_admission: string;
  ha_survives: number;
  /** "survives 1 host, any of them", or who would have no place; null until it was looked at. */
  ha_capacity: string | null;
  memory_overcommit_permille: number;
}

export interface Pool extends Obj, Resources {
  is_root: boolean;
  cpu_expandable: boolean;
  mem_expandable: boolean;
  scalable_shares: boolean;
}

export interface Network extends Obj {
  bridge: string;
  vlan: number;
  cidr: string | null;
  gateway: string | null;
  range_first: string | null;
  range_last: string | null;
  dns: string | null;
}

export interface Rule extends Obj {
  type: string;
  enabled: boolean;
  vms: string[];
  hosts: string[];
  vm_group: string | null;
  host_group: string | null;
  conflict: string | null;
}

export interface Load {
  cpu_before: number;
  cpu_after: number;
  memory_before: number;
  memory_after: number;
}

export interface Factors {
  imbalance_before: { cpu: number; memory: number };
  imbalance_after: { cpu: number; memory: number };
  from_load: Load;
  to_load: Load;
  rules: string[];
  broken_rule: string | null;
  company: string | null;
  copy_s: number;
  pause_s: number;
  cost_mhz_s: number;
  benefit_mhz_s: number;
  risk_mhz_s: number;
  net_benefit_mhz_s: number;
  alternatives: { host: string; host_name: string; term: string; text: string; imbalance: number }[];
}

/** What balancing would do, and why. */
export interface Move {
  name: string;
  action: string;
  vm?: string | null;
  from_host?: string | null;
  to_host?: string | null;
  priority?: number;
  reason: string;
  text: string;
  factors?: Factors | null;
}

export interface Recommendation extends Obj, Move {
  name: string;
  state: "pending" | "applied" | "dismissed" | "stale" | "failed";
  note: string | null;
  task: string | null;
}

export interface Plan {
  imbalance: { cpu: number; memory: number };
  imbalance_after: { cpu: number; memory: number };
  uneven: boolean;
  items: Move[];
  blockers: { vm: string; name: string; reason: string; text: string }[];
}

export interface Template extends Obj {
  guest_type: GuestType;
  lifecycle: string;
  num_cpu: number;
  memory_mb: number;
  datastore: string | null;
  path: string;
  format: string;
  virtual_bytes: number;
  file_bytes: number;
  version: string | null;
  notes: string | null;
  sha256: string | null;
}

export interface Task extends Obj {
  op: string;
  entity: string | null;
  entity_name: string | null;
  /** Where it takes its object. */
  to_host?: string | null;
  state: "queued" | "running" | "success" | "error";
  step: string | null;
  progress: number;
  phase?: string | null;
  waiting_for?: string | null;
  bytes_per_s?: number;
  result: unknown;
  error_message: string | null;
  user_name: string | null;
  started_at: string | null;
  finished_at: string | null;
}

export interface EventItem {
  id: string;
  type: string;
  severity: "info" | "warning" | "error";
  time: string;
  entity: string | null;
  entity_name: string | null;
  user: string | null;
  message: string;
}

export interface Session {
  user: string;
  role: "read_only" | "operator" | "administrator";
  csrf: string;
  expires_at: string;
}
