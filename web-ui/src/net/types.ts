// The objects of the API that the pages use; docs/api.md names every field.
export interface Obj {
  id: string;
  kind: string;
  name: string;
  parent: string | null;
  rev: number;
  created_at: string;
}

export type PowerState =
  | "powered_off"
  | "starting"
  | "powered_on"
  | "paused"
  | "stalled"
  | "suspended"
  | "unknown";

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

export interface Vm extends Obj {
  guest_type: GuestType;
  counters: Counter[] | null;
  power_state: PowerState;
  power_reason: string | null;
  lifecycle: string;
  host: string | null;
  pool: string | null;
  template: string | null;
  num_cpu: number;
  memory_mb: number;
  ip_address: string | null;
  started_at: string | null;
  cpu_usage_mhz: number;
  memory_usage_mb: number;
  notes: string | null;
  datastores: string[];
  snapshot: string | null;
  needs_consolidation: boolean;
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
  cpu_cores: number;
  cpu_total_mhz: number;
  cpu_usage_mhz: number;
  memory_total_mb: number;
  memory_usage_mb: number;
  /** Of a cluster with HA, once it has sent heartbeats: "up", "partitioned" and the like. */
  ha_state: string | null;
  ha_fencing: string | null;
}

export interface Cluster extends Obj {
  ha_enabled: boolean;
  ha_failover_level: number;
  ha_survives: number;
  /** "survives 1 host, any of them", or who would have no place; null until it was looked at. */
  ha_capacity: string | null;
}

export interface Template extends Obj {
  guest_type: GuestType;
  lifecycle: string;
  num_cpu: number;
  memory_mb: number;
}

export interface Task extends Obj {
  op: string;
  entity: string | null;
  entity_name: string | null;
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
