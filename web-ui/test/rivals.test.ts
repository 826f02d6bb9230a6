import assert from "node:assert/strict";
import { test } from "node:test";
import type { Changed } from "../src/net/api.ts";
import type { EventItem, Obj } from "../src/net/types.ts";
import { newest, rivals, since } from "../src/store/rivals.ts";

const pool = (rev: number): Obj => ({ id: "pool-1", kind: "pool", name: "p", parent: null, rev, created_at: "" });
const told: Changed = {
  object: pool(12),
  changes: [
    { rev: 11, at: "", user: "bert", fields: ["cpu_limit_mhz", "name"] },
    { rev: 12, at: "", user: "anna", fields: ["cpu_limit_mhz"] },
  ],
};
const event = (type: string, user: string | null): EventItem => ({
  id: "1",
  type,
  user,
  severity: "info",
  time: "",
  entity: "pool-1",
  entity_name: "p",
  message: "",
});

test("only what both made of one field meets", () => {
  const base = { name: "p", cpu_limit_mhz: 0, notes: "" };
  const met = (mine: object, theirs: object) =>
    rivals(base, { ...base, ...mine }, { ...base, ...theirs }, "pool-1", null, []).map((r) => [r.field, r.theirs]);
  assert.deepEqual(met({ cpu_limit_mhz: 5 }, { cpu_limit_mhz: 7 }), [["cpu_limit_mhz", 7]]);
  assert.deepEqual(met({ cpu_limit_mhz: 5 }, { cpu_limit_mhz: 5 }), [], "both want the same");
  assert.deepEqual(met({ cpu_limit_mhz: 5 }, {}), []);
  assert.deepEqual(met({}, { name: "q" }), [["name", "q"]], "and what only they changed is told");
});

test("who it was comes from the refusal, else from the events, else nobody knows", () => {
  const by = (changed: Changed | null, events: EventItem[]) =>
    rivals({ cpu_limit_mhz: 0 }, { cpu_limit_mhz: 5 }, { cpu_limit_mhz: 7 }, "pool-1", changed, events)[0]?.by;
  assert.equal(by(told, []), "anna");
  assert.equal(by(null, [event("TaskFailedEvent", "eve"), event("ObjectChangedEvent", "carl")]), "carl");
  assert.equal(by(null, [event("ObjectChangedEvent", null)]), null);
});

test("events from before the form was opened are about something else", () => {
  const three = ["3", "2", "1"].map((id) => ({ ...event("ObjectChangedEvent", "carl"), id }));
  assert.deepEqual(
    since(three, "2").map((e) => e.id),
    ["3"],
  );
  assert.deepEqual(since(three, "3"), []);
  assert.equal(since(three, undefined).length, 3);
});

test("a refusal knows more than a watch that is behind, and less than one that is ahead", () => {
  assert.equal(newest(pool(10), told)?.rev, 12);
  assert.equal(newest(pool(13), told)?.rev, 13);
  assert.equal(newest(undefined, told), undefined, "it is gone");
});
