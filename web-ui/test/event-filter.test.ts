import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventItem } from "../src/net/types.ts";
import { eventQuery, passes } from "../src/store/event-filter.ts";

const event = { type: "VmPoweredOnEvent", severity: "info", user: "ann" } as EventItem;

test("what comes is sorted out as the server does it", () => {
  const ok = (types: string, user = ""): boolean => passes(event, { types, user });
  assert.ok(ok(""));
  assert.ok(ok("vm*"));
  assert.ok(ok("Host*, info"));
  assert.ok(!ok("error"));
  assert.ok(!ok("PoweredOn"), "a pattern is of the whole type");
  assert.ok(!ok("", "bob"));
  assert.ok(ok("Vm*", " ann "));
});

test("the server is asked for nothing that was not filled in", () => {
  assert.equal(eventQuery({ types: " ", user: "" }), "");
  assert.equal(eventQuery({ types: "Vm*, error,", user: "a&b" }), "&types=Vm*%2Cerror&user=a%26b");
});
