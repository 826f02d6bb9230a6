// What is in the way of guests that are dragged into a pool or folder, or against a host, as far as the
// inventory tells. What only the server knows (does it fit on the host?) it is asked. Pure.
import type { Obj, Pool, Rule, Vm } from "../net/types.ts";
import { type Of, type PoolNode, poolPath, poolTree } from "./pools.ts";

export type Find = (id: string | null | undefined) => Obj | undefined;

export function above(o: Obj | undefined, kind: string, find: Find): Obj | undefined {
  let at = o;
  for (let steps = 0; at && at.kind !== kind && steps < 40; steps++) at = find(at.parent);
  return at;
}

/** Where a guest's pool and host are. */
export const clusterOf = (vm: Vm, find: Find): Obj | undefined => above(find(vm.pool ?? vm.host), "cluster", find);

const need: Record<Of, (v: Vm) => number> = { cpu: (v) => v.cpu_reservation_mhz, memory: (v) => v.mem_reservation_mb };
const ENDLESS = { cpu: Number.POSITIVE_INFINITY, memory: Number.POSITIVE_INFINITY };

/** What may still be reserved in the last of a path's pools; what expands takes from the one above. */
function room(path: PoolNode[], of: Of): number {
  let left = 0;
  for (const node of [...path].reverse()) {
    left += Math.max(0, node[of].reservation - node[of].held);
    if (!node[of].expandable) break;
  }
  return left;
}

export interface Shortage {
  vm: Vm;
  of: Of;
  needs: number;
  left: number;
}

/** Which of the guests would not get what they reserve; those that are let in first use up what is left. */
export function shortages(guests: Vm[], pool: Pool, pools: Pool[], vms: Vm[], find: Find): Shortage[] {
  const cluster = above(pool, "cluster", find);
  const top = pools.find((p) => p.is_root && p.parent === cluster?.id);
  if (!top) return [];
  const path = poolPath(poolTree(top, pools, vms, ENDLESS), pool.id);
  const left = { cpu: room(path, "cpu"), memory: room(path, "memory") };
  const inside = new Set(path.length ? poolIds(path.at(-1) as PoolNode) : []);
  const out: Shortage[] = [];
  for (const vm of guests.filter((v) => v.power_state === "powered_on" && !inside.has(v.pool ?? ""))) {
    const lacking = (["cpu", "memory"] as Of[]).find((of) => need[of](vm) > left[of]);
    if (lacking) out.push({ vm, of: lacking, needs: need[lacking](vm), left: left[lacking] });
    else for (const of of ["cpu", "memory"] as Of[]) left[of] -= need[of](vm);
  }
  return out;
}

const poolIds = (n: PoolNode): string[] => [n.pool.id, ...n.children.flatMap(poolIds)];

export interface Group extends Obj {
  members: string[];
}

/** The rules that would rather not have the guest on the host: nothing forbids it. */
export function wishesAgainst(vm: string, host: string, rules: Rule[], find: Find): Rule[] {
  const has = (ids: string[], group: string | null, id: string): boolean =>
    ids.includes(id) || ((find(group) as Group | undefined)?.members ?? []).includes(id);
  return rules.filter((r) => {
    if (!r.enabled || !r.type.startsWith("should") || !has(r.vms, r.vm_group, vm)) return false;
    return has(r.hosts, r.host_group, host) === (r.type === "should_not_run_on");
  });
}
