import assert from "node:assert/strict";
import { test } from "node:test";
import type { Host, Obj, PowerState, Vm } from "../src/net/types.ts";
import { actions, actionsFor } from "../src/store/actions.ts";
import { inventory } from "../src/store/collection.ts";
import { session } from "../src/store/session.ts";

const as = (role: "read_only" | "operator" | "administrator"): void => {
  session.value = { user: "u", role, csrf: "", expires_at: "" };
};
const offered = (o: Partial<Vm> | Partial<Host>): string =>
  actionsFor(o as Obj)
    .map((a) => a.id)
    .join(" ");
const guest = (guest_type: Vm["guest_type"], power_state: PowerState): Partial<Vm> => ({
  kind: "vm",
  lifecycle: "ready",
  guest_type,
  power_state,
});

test("a machine that runs is offered all it can", () => {
  as("operator");
  assert.equal(
    offered(guest("machine", "powered_on")),
    "shutdown restart pause suspend kill reset migrate snapshots clone counters console edit week",
  );
});

test("a container is offered nothing that only machines can", () => {
  as("operator");
  assert.equal(offered(guest("container", "powered_on")), "shutdown restart pause suspend kill reset migrate counters console edit week");
  assert.equal(offered(guest("container", "paused")), "resume suspend kill counters edit week");
  assert.equal(offered(guest("container", "powered_off")), "start migrate clone edit delete week");
});

test("nobody is offered what his role may not do", () => {
  const host: Partial<Host> = { kind: "host", maintenance: "none", standby: "none", connection_state: "connected" };
  as("read_only");
  assert.equal(offered(guest("machine", "powered_on")), "week");
  as("operator");
  assert.equal(offered(host), "week");
  as("administrator");
  assert.equal(offered(host), "maintenance week");
  assert.equal(offered({ ...host, maintenance: "in", connection_state: "disconnected" }), "leave-maintenance confirm-dead remove week");
});

test("tags are offered once there are some", () => {
  const pool: Partial<Obj> & { is_root: boolean } = { kind: "pool", is_root: true, tags: [] };
  as("operator");
  assert.equal(offered(pool), "week");
  const category = { id: "category-1", kind: "category", name: "Environment", parent: null };
  inventory.snapshot([category, { id: "tag-1", kind: "tag", name: "prod", parent: "category-1" }]);
  assert.equal(offered(pool), "tags week");
  as("read_only");
  assert.equal(offered(pool), "week");
  inventory.snapshot([]);
});

test("every action asks in a dialog, says its request, or leads to a tab or a file", () => {
  for (const a of actions) assert.equal([a.opens, a.request, a.goes, a.saves].filter(Boolean).length, 1, a.id);
  for (const a of actions.filter((x) => x.danger)) assert.ok(a.confirm, `${a.id} is dangerous and asks nothing`);
});
