// A task as the request that began it: as it was sent from these pages, or where what is done and to what
// says all of it. What somebody else asked for with settings of his own is not guessed.
import type { Task } from "../net/types.ts";

export interface Asked {
  method: string;
  path: string;
  body?: unknown;
}

const KEPT = 500;
const sent = new Map<string, Asked>();

export function remember(task: string, asked: Asked): void {
  sent.set(task, asked);
  const oldest = sent.keys().next().value;
  if (sent.size > KEPT && oldest) sent.delete(oldest);
}

/** Operations that take nothing but their object. */
const plain: Record<string, [method: string, path: string]> = {
  "vm.start": ["POST", "vms/*/start"],
  "vm.pause": ["POST", "vms/*/pause"],
  "vm.resume": ["POST", "vms/*/resume"],
  "vm.suspend": ["POST", "vms/*/suspend"],
  "vm.consolidate": ["POST", "vms/*/consolidate"],
  "host.maintenance_leave": ["DELETE", "hosts/*/maintenance"],
  "host.wake": ["DELETE", "hosts/*/standby"],
  "datastore.scan": ["POST", "datastores/*/scan"],
};

export function requestOf(task: Task): Asked | null {
  const known = sent.get(task.id);
  if (known) return known;
  const [method, path] = plain[task.op] ?? [];
  if (!method || !path || !task.entity) return null;
  return { method, path: `/${path.replace("*", task.entity)}`, ...(method === "POST" ? { body: {} } : {}) };
}
