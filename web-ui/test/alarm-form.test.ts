import assert from "node:assert/strict";
import { test } from "node:test";
import { type Draft, bodyOf, changesOf, draftOf, told } from "../src/store/alarm-form.ts";
import type { AlarmDef } from "../src/store/alarms.ts";

const conditions = [
  { counter: "disk.used.latest", of: "disk.capacity.latest", operator: "above", yellow: 75, red: 85, hysteresis: 1, for_s: 300 },
  { property: "connection_state", is_not: ["connected"], status: "red", for_s: 60 },
  { events: { red: ["VmDiedEvent", "VmStalledEvent"], green: ["VmPoweredOnEvent"] } },
];
const actions = [
  { type: "webhook", name: "chat", on: ["red", "yellow"], url: "https://hooks.example/…" },
  { type: "script", program: "page-me", args: ["a", "b"] },
  { type: "task", op: "vm.migrate", args: { host: "host-2" } },
  { type: "email", to: ["a@b.example", "c@d.example"] },
];
const definition = {
  id: "alarmdef-1",
  kind: "alarmdef",
  name: "full",
  target: "datastore",
  entity: "dc-1",
  description: "of its room",
  match: "any",
  enabled: true,
  conditions,
  actions,
} as unknown as AlarmDef;

test("what a definition says comes back from its form unchanged", () => {
  assert.deepEqual(bodyOf(draftOf(definition)), {
    name: "full",
    target: "datastore",
    entity: "dc-1",
    description: "of its room",
    match: "any",
    conditions,
    actions,
  });
});

const edit = (change: (d: Draft) => void): object => {
  const now = draftOf(definition);
  change(now);
  return changesOf(draftOf(definition), now);
};

test("only what was changed is sent, and kind and place never", () => {
  assert.deepEqual(
    edit(() => undefined),
    {},
  );
  assert.deepEqual(
    edit((d) => {
      d.description = "";
      d.target = "vm";
    }),
    { description: "" },
  );
  assert.deepEqual(
    edit((d) => {
      d.actions = [];
    }),
    { actions: [] },
  );
  const changed = edit((d) => {
    (d.conditions[0] as Record<string, string>).red = "";
  }) as { conditions: object[] };
  assert.equal("red" in (changed.conditions[0] as object), false);
  assert.equal(changed.conditions.length, 3);
});

test("what is no number or no JSON is left for the server to refuse", () => {
  const body = bodyOf({
    ...draftOf(null),
    conditions: [{ type: "counter", counter: " x ", operator: "above", red: "much" }],
    actions: [{ type: "task", op: "vm.stop", args: "{no" }],
  });
  assert.deepEqual(body.conditions, [{ counter: "x", operator: "above", red: "much" }]);
  assert.deepEqual(body.actions, [{ type: "task", op: "vm.stop", args: "{no" }]);
});

test("conditions in a line", () => {
  assert.deepEqual(conditions.map(told), [
    "disk.used.latest of disk.capacity.latest above 75: yellow, 85: red for 5 min",
    "connection_state is not connected: red for 1 min",
    "VmDiedEvent, VmStalledEvent: red; VmPoweredOnEvent: green",
  ]);
});
