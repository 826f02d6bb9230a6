import assert from "node:assert/strict";
import { test } from "node:test";
import { Collection } from "../src/store/collection.ts";
import { type Frame, type Link, Watch, mergePatch } from "../src/net/watch.ts";

class FakeSocket {
  static last: FakeSocket;
  sent: { type: string; id?: number; since?: number }[] = [];
  onmessage: ((m: { data: string }) => void) | null = null;
  onclose: ((e: { code: number; reason: string }) => void) | null = null;
  constructor() {
    FakeSocket.last = this;
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.onclose?.({ code: 1006, reason: "" });
  }
  get(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

/** Timers that the test fires by hand: nothing here sleeps. */
function handTimers(): (() => void)[] {
  const due: (() => void)[] = [];
  const w = { setTimeout: (fn: () => void) => due.push(fn), clearTimeout: () => undefined };
  Object.assign(globalThis, { window: w, clearTimeout: w.clearTimeout });
  return due;
}

function open(states: Link[]) {
  const vms = new Collection();
  const watch = new Watch(
    "wss://x",
    (s) => states.push(s),
    () => new FakeSocket() as unknown as WebSocket,
  );
  watch.subscribe("inventory", vms);
  watch.start();
  return vms;
}

test("a merge patch sets, nests and nulls", () => {
  assert.deepEqual(mergePatch({ a: 1, b: { c: 2, d: 3 } }, { a: 5, b: { c: null } }), { a: 5, b: { c: null, d: 3 } });
  assert.deepEqual(mergePatch({ a: [1, 2] }, { a: [3] }), { a: [3] });
});

test("snapshot in chunks, then deltas", () => {
  handTimers();
  const vms = open([]);
  const s = FakeSocket.last;
  s.get({ type: "hello", boot: "b1", rev: 5 });
  assert.deepEqual(s.sent, [{ type: "sub", id: 1, kind: "inventory" }]);
  s.get({ type: "snap", id: 1, rev: 5, items: [{ id: "vm-1", kind: "vm", name: "a" }], last: false });
  assert.equal(vms.all("vm").length, 0, "a chunk alone shows nothing");
  s.get({ type: "snap", id: 1, rev: 5, items: [{ id: "vm-2", kind: "vm", name: "b" }], last: true });
  assert.equal(vms.all("vm").length, 2);
  s.get({ type: "delta", id: 1, rev: 6, set: { "vm-1": { name: "c" }, "vm-3": { kind: "vm", name: "n" } }, del: ["vm-2"] });
  assert.deepEqual(
    vms.all("vm").map((v) => `${v.id} ${v.name}`),
    ["vm-1 c", "vm-3 n"],
  );
});

test("a lost link resumes by revision; another server gets no revision", () => {
  const due = handTimers();
  const states: Link[] = [];
  open(states);
  FakeSocket.last.get({ type: "hello", boot: "b1", rev: 5 });
  FakeSocket.last.get({ type: "snap", id: 1, rev: 5, items: [], last: true });
  const first = FakeSocket.last;
  first.close();
  assert.equal(states.at(-1), "stale");
  due.at(-1)?.();
  assert.ok(FakeSocket.last !== first, "it dials again");
  FakeSocket.last.get({ type: "hello", boot: "b1", rev: 9 });
  assert.equal(FakeSocket.last.sent[0]?.since, 5);
  FakeSocket.last.close();
  due.at(-1)?.();
  FakeSocket.last.get({ type: "hello", boot: "b2", rev: 2 });
  assert.equal(FakeSocket.last.sent[0]?.since, undefined);
});

test("resync asks for a new snapshot; pings are answered", () => {
  handTimers();
  open([]);
  const s = FakeSocket.last;
  s.get({ type: "hello", boot: "b1", rev: 5 });
  s.get({ type: "snap", id: 1, rev: 5, items: [], last: true });
  s.get({ type: "resync", id: 1 });
  assert.deepEqual(s.sent.at(-1), { type: "sub", id: 1, kind: "inventory" });
  s.get({ type: "ping", t: 7 });
  assert.deepEqual(s.sent.at(-1), { type: "pong", t: 7 });
});

test("an ended session is not dialled again", () => {
  const due = handTimers();
  const states: Link[] = [];
  open(states);
  const before = due.length;
  FakeSocket.last.onclose?.({ code: 4401, reason: "log in first" });
  assert.equal(states.at(-1), "closed");
  assert.equal(due.length, before);
});

test("samples are asked for while they are wanted, and again over a new link", () => {
  const due = handTimers();
  const watch = new Watch(
    "wss://x",
    () => undefined,
    () => new FakeSocket() as unknown as WebSocket,
  );
  const heard: string[] = [];
  const sink = {
    sample: (x: { values: Record<string, number> }) => heard.push(JSON.stringify(x.values)),
    every: (ms: number) => heard.push(`every ${ms}`),
    refused: (why: string) => heard.push(why),
  };
  watch.subscribe("inventory", new Collection());
  const end = watch.watchSamples(["vm-1"], ["cpu.usage.average"], sink);
  watch.start();
  FakeSocket.last.get({ type: "hello", boot: "b1", rev: 5 });
  const asked = { type: "sub", id: 2, kind: "stats", objects: ["vm-1"], counters: ["cpu.usage.average"], realtime: true };
  assert.deepEqual(FakeSocket.last.sent[1], asked);
  FakeSocket.last.get({ type: "snap", id: 2, items: [{ object: "vm-1", interval_ms: 2000 }], last: true });
  FakeSocket.last.get({ type: "stat", id: 2, object: "vm-1", t: 1, span_ms: 2000, values: { "cpu.usage.average": 7 } });
  FakeSocket.last.close();
  due.at(-1)?.();
  FakeSocket.last.get({ type: "hello", boot: "b1", rev: 9 });
  assert.deepEqual(FakeSocket.last.sent[1], asked);
  FakeSocket.last.get({ type: "error", id: 2, message: "too many" });
  assert.deepEqual(heard, ["every 2000", '{"cpu.usage.average":7}', "too many"]);
  end();
  assert.deepEqual(FakeSocket.last.sent.at(-1), { type: "unsub", id: 2 });
  FakeSocket.last.get({ type: "stat", id: 2, object: "vm-1", t: 2, span_ms: 2000, values: {} });
  assert.equal(heard.length, 3);
});
