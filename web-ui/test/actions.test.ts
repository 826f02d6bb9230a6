import assert from "node:assert/strict";
import { test } from "node:test";
import type { PowerState, Vm } from "../src/net/types.ts";
import { actions, fits } from "../src/store/actions.ts";

const offered = (guest_type: Vm["guest_type"], power_state: PowerState): string =>
  actions
    .filter((a) => fits(a, { lifecycle: "ready", guest_type, power_state } as Vm))
    .map((a) => a.id)
    .join(" ");

test("a machine that runs is offered all it can", () => {
  assert.equal(
    offered("machine", "powered_on"),
    "shutdown restart pause suspend migrate snapshots clone counters kill reset",
  );
});

test("a container is offered nothing that only machines can", () => {
  assert.equal(offered("container", "powered_on"), "shutdown restart pause suspend migrate counters kill reset");
  assert.equal(offered("container", "paused"), "resume suspend counters kill");
  assert.equal(offered("container", "powered_off"), "start migrate clone delete");
});
