import assert from "node:assert/strict";
import { test } from "node:test";
import { inventory } from "../src/store/collection.ts";
import { commands, follow, note, onTheirWay } from "../src/store/commands.ts";

test("what is removed is called by its name, though it is gone when the answer comes", () => {
  const change = { method: "DELETE", path: "/pools/pool-1", body: undefined };
  inventory.snapshot([{ id: "pool-1", kind: "pool", name: "prod", parent: null }]);
  follow([change]);
  assert.deepEqual(onTheirWay.value, ["Remove-ResourcePool prod"]);
  inventory.delta({}, ["pool-1"]);
  follow([change, { method: "POST", path: "/alarm-previews", body: {} }]);
  note(change.method, change.path, change.body);
  follow([]);
  assert.equal(commands.value[0]?.line, "Remove-ResourcePool prod");
  assert.deepEqual(onTheirWay.value, []);
});

test("what only looks is no command", () => {
  const before = commands.value.length;
  note("POST", "/alarm-previews", {});
  note("PATCH", "/users/current/preferences", {});
  assert.equal(commands.value.length, before);
});
