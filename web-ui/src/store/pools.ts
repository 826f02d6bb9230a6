// Resource pools as a tree with what each reserves, uses and hands on, and where a picture of it draws. Pure.
import type { Pool, Vm } from "../net/types.ts";

export type Of = "cpu" | "memory";
export type By = "reservation" | "usage";

/** Of one resource: MHz or MB. */
export interface Amounts {
  reservation: number;
  usage: number;
  /** 0: none. */
  limit: number;
  /** What the pools and running guests in it reserve together. */
  held: number;
  expandable: boolean;
}

export interface PoolNode {
  pool: Pool;
  level: number;
  position: number;
  siblings: number;
  cpu: Amounts;
  memory: Amounts;
  /** Running guests, in it and below it. */
  guests: number;
  children: PoolNode[];
}

/** What the whole cluster has. */
export type Capacity = Record<Of, number>;

const collator = new Intl.Collator("en", { numeric: true });

function grouped<T>(list: T[], of: (x: T) => string | null): Map<string, T[]> {
  const map = new Map<string, T[]>();
  for (const x of list) {
    const key = of(x) ?? "";
    const group = map.get(key);
    if (group) group.push(x);
    else map.set(key, [x]);
  }
  return map;
}

interface Source {
  reservation(x: Pool | Vm): number;
  limit(p: Pool): number;
  usage(v: Vm): number;
  expandable(p: Pool): boolean;
}

const sources: Record<Of, Source> = {
  cpu: {
    reservation: (x) => x.cpu_reservation_mhz,
    limit: (p) => p.cpu_limit_mhz,
    usage: (v) => v.cpu_usage_mhz,
    expandable: (p) => p.cpu_expandable,
  },
  memory: {
    reservation: (x) => x.mem_reservation_mb,
    limit: (p) => p.mem_limit_mb,
    usage: (v) => v.memory_usage_mb,
    expandable: (p) => p.mem_expandable,
  },
};

const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);

function amounts(of: Of, pool: Pool, guests: Vm[], children: PoolNode[], capacity: Capacity): Amounts {
  const from = sources[of];
  return {
    // The uppermost pool is the cluster: it has all there is.
    reservation: pool.is_root ? capacity[of] : from.reservation(pool),
    limit: from.limit(pool),
    expandable: from.expandable(pool),
    usage: sum(guests.map(from.usage)) + sum(children.map((c) => c[of].usage)),
    held: sum(guests.map(from.reservation)) + sum(children.map((c) => Math.max(c[of].reservation, c[of].held))),
  };
}

export function poolTree(top: Pool, pools: Pool[], vms: Vm[], capacity: Capacity): PoolNode {
  const below = grouped(pools, (p) => p.parent);
  const inside = grouped(
    vms.filter((v) => v.power_state === "powered_on"),
    (v) => v.pool,
  );
  const grow = (pool: Pool, level: number, position: number, siblings: number): PoolNode => {
    const list = (below.get(pool.id) ?? []).sort((a, b) => collator.compare(a.name, b.name));
    const children = list.map((p, i) => grow(p, level + 1, i + 1, list.length));
    const guests = inside.get(pool.id) ?? [];
    return {
      pool,
      level,
      position,
      siblings,
      children,
      guests: guests.length + sum(children.map((c) => c.guests)),
      cpu: amounts("cpu", pool, guests, children, capacity),
      memory: amounts("memory", pool, guests, children, capacity),
    };
  };
  return grow(top, 1, 1, 1);
}

/** The nodes from the top to a pool, both included; none if it is not there. */
export function poolPath(node: PoolNode, id: string): PoolNode[] {
  if (node.pool.id === id) return [node];
  for (const c of node.children) {
    const path = poolPath(c, id);
    if (path.length) return [node, ...path];
  }
  return [];
}

/** Parents before children; what is closed hides what is below it. */
export function poolRows(node: PoolNode, closed: ReadonlySet<string>): PoolNode[] {
  return [node, ...(closed.has(node.pool.id) ? [] : node.children.flatMap((c) => poolRows(c, closed)))];
}

/** More is reserved in it than it has reserved itself. */
export const isOverCommitted = (a: Amounts): boolean => a.held > a.reservation;

/** In turns of the circle, 0 at the top. */
export interface Slice {
  node: PoolNode;
  depth: number;
  from: number;
  to: number;
  /** Where it would end at its limit; null: it has none, or one that is beyond the circle. */
  limit: number | null;
  /** Which of the pools of the first ring it is, or is in. */
  branch: number;
}

/** A pool of nothing is drawn so wide that one can find it. */
const SLIVER = 0.012;

/**
 * Rings are depths. One unit has the same angle everywhere, but where pools together have more than the
 * one they are in: there they are squeezed into it.
 */
export function slices(top: PoolNode, of: Of, by: By): Slice[] {
  const out: Slice[] = [{ node: top, depth: 0, from: 0, to: 1, limit: null, branch: 0 }];
  const value = (n: PoolNode): number => n[of][by];
  const whole = Math.max(top[of].reservation, value(top), sum(top.children.map(value)));
  const place = (parent: Slice, unit: number): void => {
    const { children } = parent.node;
    const wide = children.map((c) => Math.max(SLIVER, value(c) * unit));
    const squeeze = Math.min(1, (parent.to - parent.from) / (sum(wide) || 1));
    let at = parent.from;
    children.forEach((node, i) => {
      const to = at + (wide[i] ?? 0) * squeeze;
      const end = at + node[of].limit * unit * squeeze;
      const slice: Slice = {
        node,
        depth: parent.depth + 1,
        from: at,
        to,
        limit: node[of].limit && end <= at + 1 ? end : null,
        branch: parent.depth ? parent.branch : i,
      };
      out.push(slice);
      place(slice, unit * squeeze);
      at = to;
    });
  };
  place(out[0] as Slice, whole > 0 ? 1 / whole : 0);
  return out;
}

const point = (turn: number, radius: number): string => {
  const angle = turn * 2 * Math.PI;
  return `${(radius * Math.sin(angle)).toFixed(2)} ${(-radius * Math.cos(angle)).toFixed(2)}`;
};

/** The outline of a ring's part, around 0 0. */
export function ringPath(from: number, to: number, inner: number, outer: number): string {
  // An arc cannot end where it began: a whole ring is drawn as its halves.
  if (to - from > 0.9999) return `${ringPath(from, from + 0.5, inner, outer)}${ringPath(from + 0.5, from + 0.9998, inner, outer)}`;
  const large = to - from > 0.5 ? 1 : 0;
  return (
    `M${point(from, outer)}A${outer} ${outer} 0 ${large} 1 ${point(to, outer)}` +
    `L${point(to, inner)}A${inner} ${inner} 0 ${large} 0 ${point(from, inner)}Z`
  );
}

/** An arc along a ring and a stroke across it at the end. */
export function tickPath(from: number, to: number, radius: number): string {
  const large = to - from > 0.5 ? 1 : 0;
  const end = Math.min(to, from + 0.9998);
  return `M${point(from, radius)}A${radius} ${radius} 0 ${large} 1 ${point(end, radius)}M${point(end, radius - 5)}L${point(end, radius + 4)}`;
}

/** The middle of a ring's part. */
export function middleOf(s: Slice, inner: number, outer: number): { x: number; y: number; room: number } {
  const angle = (s.from + s.to) * Math.PI;
  const radius = (inner + outer) / 2;
  return { x: radius * Math.sin(angle), y: -radius * Math.cos(angle), room: (s.to - s.from) * 2 * Math.PI * radius };
}
