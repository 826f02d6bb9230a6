import assert from "node:assert/strict";
import { test } from "node:test";
import type { Obj, Pool, Rule, Vm } from "../src/net/types.ts";
import { above, clusterOf, shortages, wishesAgainst } from "../src/store/drop.ts";
import { NOTHING, choose, meant, modeOf } from "../src/store/selection.ts";

const rows = ["a", "b", "c", "d", "e"];
const ids = (s: { ids: ReadonlySet<string> }): string => [...s.ids].join("");

test("a click takes one, Ctrl one more or less, Shift all from where one was", () => {
  const one = choose(rows, NOTHING, "b", "only");
  assert.equal(ids(one), "b");
  const two = choose(rows, one, "d", "toggle");
  assert.equal(ids(two), "bd");
  assert.equal(ids(choose(rows, two, "b", "toggle")), "d");
  assert.equal(ids(choose(rows, one, "d", "range")), "bcd");
  assert.equal(ids(choose(rows, choose(rows, one, "d", "range"), "a", "range")), "ab", "the anchor stays");
  assert.equal(ids(choose(rows, { ids: new Set(["x"]), anchor: "x" }, "c", "range")), "c", "an anchor that is not shown any more");
});

test("keys beside the click say which", () => {
  const keys = { ctrlKey: false, metaKey: false, shiftKey: false };
  assert.equal(modeOf(keys), "only");
  assert.equal(modeOf({ ...keys, metaKey: true }), "toggle");
  assert.equal(modeOf({ ...keys, ctrlKey: true, shiftKey: true }), "range");
  assert.deepEqual(meant(["a", "b"], "b"), ["a", "b"]);
  assert.deepEqual(meant(["a", "b"], "c"), ["c"]);
  assert.deepEqual(meant(["a"], "a"), ["a"]);
});

const pool = (id: string, parent: string, cpu: number, more: Partial<Pool> = {}): Pool =>
  ({
    id,
    kind: "pool",
    name: id,
    parent,
    cpu_reservation_mhz: cpu,
    mem_reservation_mb: 0,
    cpu_expandable: false,
    mem_expandable: true,
    ...more,
  }) as Pool;
const guest = (id: string, in_: string, cpu: number, power_state = "powered_on"): Vm =>
  ({ id, kind: "vm", name: id, pool: in_, host: null, power_state, cpu_reservation_mhz: cpu, mem_reservation_mb: 0 }) as Vm;

const pools = [
  pool("root", "cluster-1", 0, { is_root: true }),
  pool("prod", "root", 1000),
  pool("web", "prod", 400),
  pool("lax", "prod", 0, { cpu_expandable: true }),
];
const vms = [guest("a", "web", 300), guest("b", "root", 200), guest("c", "root", 250), guest("off", "root", 9000, "powered_off")];
const all = [
  { id: "dc-1", kind: "dc", parent: null },
  { id: "cluster-1", kind: "cluster", parent: "dc-1" },
  ...pools,
  ...vms,
] as unknown as Obj[];
const find = (id: string | null | undefined): Obj | undefined => all.find((o) => o.id === id);
const lacking = (guests: Vm[], into: string) =>
  shortages(guests, find(into) as Pool, pools, vms, find).map((s) => [s.vm.id, s.of, s.needs, s.left]);
const [a, b, c, off] = vms as [Vm, Vm, Vm, Vm];

test("a pool lets in what it can still reserve, one after the other", () => {
  assert.deepEqual(lacking([b], "web"), [["b", "cpu", 200, 100]]);
  assert.deepEqual(lacking([b, c], "lax"), [], "it expands: prod has 600 left");
  assert.deepEqual(lacking([b, c, guest("d", "root", 200)], "lax"), [["d", "cpu", 200, 150]]);
  assert.deepEqual(lacking([off, a], "web"), [], "who is off reserves nothing, who is in it is counted already");
  assert.deepEqual(lacking([guest("d", "web", 99999)], "root"), [], "the server knows what the cluster has");
});

test("where a guest belongs", () => {
  assert.equal(clusterOf(a, find)?.id, "cluster-1");
  assert.equal(above(find("web"), "dc", find)?.id, "dc-1");
  assert.equal(above(undefined, "dc", find), undefined);
});

test("wishes are told, whether of guests or of their groups", () => {
  const rule = (type: string, more: Partial<Rule> = {}): Rule =>
    ({ id: type, name: type, type, enabled: true, vms: ["a"], hosts: ["h1"], vm_group: null, host_group: null, ...more }) as Rule;
  const against = (rules: Rule[], host: string) =>
    wishesAgainst("a", host, rules, (id) => groups.find((g) => g.id === id)).map((r) => r.id);
  const groups = [
    { id: "g1", members: ["a"] },
    { id: "g2", members: ["h2"] },
  ] as unknown as Obj[];
  assert.deepEqual(against([rule("should_run_on"), rule("should_not_run_on"), rule("must_run_on"), rule("apart")], "h1"), [
    "should_not_run_on",
  ]);
  assert.deepEqual(against([rule("should_run_on"), rule("should_run_on", { enabled: false })], "h2"), ["should_run_on"]);
  assert.deepEqual(against([rule("should_not_run_on", { vms: [], hosts: [], vm_group: "g1", host_group: "g2" })], "h2"), [
    "should_not_run_on",
  ]);
});
