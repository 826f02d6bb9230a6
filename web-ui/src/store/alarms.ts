// What is not as it should be: alarms that are raised, the worst of each object first.
import { computed } from "@preact/signals";
import type { Obj } from "../net/types.ts";
import { Collection } from "./collection.ts";

export interface Alarm extends Obj {
  definition: string;
  entity: string | null;
  entity_name: string | null;
  status: "gray" | "green" | "yellow" | "red";
  reason: string | null;
  since: string | null;
  acknowledged: boolean;
  acknowledged_by: string | null;
  silenced_until: string | null;
}

export interface AlarmDef extends Obj {
  target: string;
  entity: string | null;
  description: string | null;
  enabled: boolean;
  match: "any" | "all";
  conditions: object[];
  actions: object[] | null;
}

/** Alarms and their definitions, a subscription of their own. */
export const alarmBook = new Collection();

const worth: Record<Alarm["status"], number> = { gray: 0, green: 0, yellow: 1, red: 2 };

/** Raised ones, the worst and then the newest first. */
export const raised = computed(() =>
  alarmBook
    .all<Alarm>("alarm")
    .filter((a) => worth[a.status] > 0)
    .sort((a, b) => worth[b.status] - worth[a.status] || (b.since ?? "").localeCompare(a.since ?? "")),
);

export const unseen = computed(() => raised.value.filter((a) => !a.acknowledged).length);

/** The worst alarm of each object. */
export const worst = computed(() => {
  const map = new Map<string, Alarm>();
  for (const a of raised.value) if (a.entity && !map.has(a.entity)) map.set(a.entity, a);
  return map;
});
