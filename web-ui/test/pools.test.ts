import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool, Vm } from "../src/net/types.ts";
import { type PoolNode, isOverCommitted, poolPath, poolRows, poolTree, ringPath, slices, tickPath } from "../src/store/pools.ts";

const pool = (id: string, parent: string, cpu = 0, more: Partial<Pool> = {}): Pool =>
  ({
    id,
    kind: "pool",
    name: id,
    parent,
    cpu_reservation_mhz: cpu,
    cpu_limit_mhz: 0,
    mem_reservation_mb: 0,
    mem_limit_mb: 0,
    cpu_expandable: true,
    ...more,
  }) as Pool;
const guest = (id: string, in_: string, usage: number, reserved = 0, power_state = "powered_on"): Vm =>
  ({
    id,
    kind: "vm",
    name: id,
    pool: in_,
    power_state,
    cpu_usage_mhz: usage,
    cpu_reservation_mhz: reserved,
    memory_usage_mb: 10,
    mem_reservation_mb: 0,
  }) as Vm;

const pools = [
  pool("root", "cluster-1", 0, { is_root: true }),
  pool("p10", "root", 2000),
  pool("p2", "root", 1000, { cpu_limit_mhz: 3000 }),
  pool("dev", "p2", 500),
  pool("test", "p2", 0),
];
const vms = [guest("a", "dev", 300, 700), guest("b", "p2", 100, 400), guest("c", "p10", 50), guest("off", "p10", 999, 999, "powered_off")];
const top = poolTree(pools[0] as Pool, pools, vms, { cpu: 8000, memory: 4096 });
const node = (id: string): PoolNode => poolPath(top, id).at(-1) as PoolNode;

test("what is used and reserved below a pool counts in it; what is off does not", () => {
  assert.deepEqual(
    poolRows(top, new Set()).map((n) => [n.pool.id, n.level, n.position, n.siblings, n.cpu.usage, n.guests]),
    [
      ["root", 1, 1, 1, 450, 3],
      ["p2", 2, 1, 2, 400, 2],
      ["dev", 3, 1, 2, 300, 1],
      ["test", 3, 2, 2, 0, 0],
      ["p10", 2, 2, 2, 50, 1],
    ],
  );
  assert.equal(node("dev").cpu.held, 700);
  assert.equal(node("p2").cpu.held, 1100, "dev takes the 700 that it holds, not the 500 that it reserves");
  assert.equal(top.cpu.held, 3100);
  assert.equal(top.memory.usage, 30);
});

test("who hands on more than it has is over-committed; the cluster has all there is", () => {
  assert.deepEqual(
    poolRows(top, new Set())
      .filter((n) => isOverCommitted(n.cpu))
      .map((n) => n.pool.id),
    ["p2", "dev"],
  );
  assert.equal(top.cpu.reservation, 8000);
});

test("closed pools hide what is below them, and a path leads to each", () => {
  assert.deepEqual(
    poolRows(top, new Set(["p2"])).map((n) => n.pool.id),
    ["root", "p2", "p10"],
  );
  assert.deepEqual(
    poolPath(top, "dev").map((n) => n.pool.id),
    ["root", "p2", "dev"],
  );
  assert.deepEqual(poolPath(top, "elsewhere"), []);
});

const turns = (by: "reservation" | "usage") =>
  Object.fromEntries(slices(top, "cpu", by).map((s) => [s.node.pool.id, [s.depth, ...[s.from, s.to].map((x) => Math.round(x * 1000))]]));

test("angles are amounts of what the cluster has, rings are depths", () => {
  assert.deepEqual(turns("reservation"), { root: [0, 0, 1000], p2: [1, 0, 125], dev: [2, 0, 63], test: [2, 63, 75], p10: [1, 125, 375] });
  assert.deepEqual(turns("usage").p2, [1, 0, 50]);
});

test("a limit is where the pool would end with it", () => {
  const p2 = slices(top, "cpu", "reservation").find((s) => s.node.pool.id === "p2");
  assert.equal(p2?.limit, 0.375);
  const zoomed = slices(node("p2"), "cpu", "reservation");
  assert.equal(zoomed.length, 3);
  assert.equal(zoomed.find((s) => s.node.pool.id === "dev")?.to, 0.5);
});

test("what has more in it than it is wide squeezes it in", () => {
  const crowd = [
    pool("root", "c", 0, { is_root: true }),
    pool("a", "root", 100),
    ...Array.from({ length: 40 }, (_, i) => pool(`a${i}`, "a", 50)),
  ];
  const list = slices(poolTree(crowd[0] as Pool, crowd, [], { cpu: 400, memory: 0 }), "cpu", "reservation");
  const a = list.find((s) => s.node.pool.id === "a");
  assert.ok(a && list.filter((s) => s.depth === 2).every((s) => s.from >= a.from - 1e-9 && s.to <= a.to + 1e-9));
  const nothing = slices(poolTree(crowd[0] as Pool, crowd.slice(0, 2), [], { cpu: 0, memory: 0 }), "memory", "usage");
  assert.ok(
    nothing.every((s) => Number.isFinite(s.from) && Number.isFinite(s.to)),
    "a cluster of no hosts",
  );
});

test("outlines close, also around the whole circle", () => {
  for (const path of [ringPath(0, 1, 10, 20), ringPath(0.2, 0.3, 0, 20)]) assert.ok(/^M.*Z$/.test(path));
  assert.equal(ringPath(0, 1, 10, 20).match(/Z/g)?.length, 2);
  assert.ok(!tickPath(0.1, 0.4, 30).includes("NaN"));
});
