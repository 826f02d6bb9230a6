import assert from "node:assert/strict";
import { test } from "node:test";
import type { Task } from "../src/net/types.ts";
import { remember, requestOf } from "../src/store/again.ts";
import { matches } from "../src/store/task-filter.ts";

const task = (op: string, more: Partial<Task> = {}): Task =>
  ({
    id: "task-1",
    kind: "task",
    name: "Power on",
    op,
    entity: "vm-3",
    entity_name: "web-03",
    state: "success",
    user_name: "ann",
    error_message: null,
    ...more,
  }) as Task;

test("what takes nothing but its object is known, what has settings is not guessed", () => {
  assert.deepEqual(requestOf(task("vm.start")), { method: "POST", path: "/vms/vm-3/start", body: {} });
  assert.deepEqual(requestOf(task("host.wake", { entity: "host-2" })), { method: "DELETE", path: "/hosts/host-2/standby" });
  assert.equal(requestOf(task("vm.stop")), null);
  assert.equal(requestOf(task("vm.start", { entity: null })), null);
});

test("what was sent from here is known as it was, of the newest tasks", () => {
  remember("task-7", { method: "POST", path: "/vms/vm-3/stop", body: { mode: "acpi" } });
  assert.deepEqual(requestOf(task("vm.stop", { id: "task-7" }))?.body, { mode: "acpi" });
  for (let i = 100; i < 700; i++) remember(`task-${i}`, { method: "POST", path: "/x" });
  assert.equal(requestOf(task("vm.stop", { id: "task-7" })), null);
  assert.equal(requestOf(task("vm.stop", { id: "task-699" }))?.path, "/x");
});

test("tasks are found by what, who, whom and how they ended", () => {
  const failed = task("vm.migrate", { name: "Migrate", state: "error", error_message: "no room on host-2", user_name: "bob" });
  const found = (words: string, state = "") => [task("vm.start"), failed].filter((x) => matches(x, words, state)).map((x) => x.user_name);
  assert.deepEqual(found(""), ["ann", "bob"]);
  assert.deepEqual(found("POWER web-03"), ["ann"]);
  assert.deepEqual(found("room"), ["bob"]);
  assert.deepEqual(found("", "error"), ["bob"]);
  assert.deepEqual(found("", "open"), []);
  assert.deepEqual(found("ann", "success"), ["ann"]);
});
