import assert from "node:assert/strict";
import { test } from "node:test";
import { Recent } from "../src/store/recent.ts";
import type { Counter, Stats } from "../src/store/stats.ts";

const usage: Counter = { name: "cpu.usage.average", description: "", unit: "%", kind: "rate", level: 1 };
const ready: Counter = { name: "cpu.ready.summation", description: "", unit: "ms", kind: "delta", level: 1 };
const T0 = 1_700_000_000;

const sample = (object: string, at: number, counter: Counter, value: number, span_ms = 2000) => ({
  object,
  t: (T0 + at) * 1000,
  span_ms,
  values: { [counter.name]: value },
});

const stored = (object: string, counter: Counter, values: (number | null)[]): Stats => ({
  interval_s: 20,
  first: new Date((T0 - 60) * 1000).toISOString(),
  count: values.length,
  series: [{ object, counter: counter.name, unit: counter.unit, instance: "", values }],
});

test("what was stored comes before what is live, and gaps stay", () => {
  const r = new Recent(["vm-1"], usage);
  r.add(sample("vm-1", 2, usage, 7));
  r.stored(stored("vm-1", usage, [1, null, 3, null, 9]));
  assert.deepEqual(r.drawn().times, [T0 - 60, T0 - 40, T0 - 20, T0 + 2]);
  assert.deepEqual(r.drawn().values, [[1, null, 3, 7]]);
});

test("a lost connection leaves a gap, and it goes on after it", () => {
  const r = new Recent(["vm-1"], usage);
  r.add(sample("vm-1", 0, usage, 1));
  r.add(sample("vm-1", 2, usage, 2));
  r.add(sample("vm-1", 2, usage, 99));
  r.add(sample("vm-1", 20, usage, 3));
  assert.deepEqual(r.drawn().values, [[1, 2, null, 3]]);
});

test("sums are told by the second, whatever span they are over", () => {
  const r = new Recent(["vm-1"], ready);
  r.stored(stored("vm-1", ready, [200]));
  r.add(sample("vm-1", 0, ready, 20));
  assert.deepEqual(r.drawn().values, [[10, 10]]);
  assert.equal(r.unit, "ms/s");
});

test("moments of one object are no gaps of another; ten minutes are kept", () => {
  const r = new Recent(["vm-1", "vm-2"], usage);
  r.add(sample("vm-1", 0, usage, 1));
  r.add(sample("vm-2", 1, usage, 2));
  r.add(sample("vm-3", 1, usage, 2));
  assert.deepEqual(r.drawn().values, [
    [1, undefined],
    [undefined, 2],
  ]);
  for (let at = 2; at <= 900; at += 2) r.add(sample("vm-1", at, usage, at));
  assert.equal(r.drawn().values[0]?.filter((v) => v !== undefined).length, 301);
});
