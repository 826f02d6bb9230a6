import assert from "node:assert/strict";
import { test } from "node:test";
import type { Vm } from "../src/net/types.ts";
import { type Row, parseFilter } from "../src/store/filter.ts";

const row: Row = {
  host: "host-2",
  tags: ["prod", "Environment/prod", "tag-1", "Frost free", "Use/Frost free", "tag-4"],
  vm: {
    id: "vm-7",
    name: "web-01",
    guest_type: "container",
    ip_address: "10.0.0.17",
    power_state: "powered_on",
    num_cpu: 2,
    memory_mb: 4096,
  } as Vm,
};

const hits = (q: string): boolean => {
  const t = parseFilter(q);
  if (typeof t !== "function") throw new Error(`"${t.bad}" is not understood`);
  return t(row);
};

test("bare words match name, id, address and host", () => {
  for (const q of ["", "web", "WEB-0?", "vm-7", "10.0.0.17", "host-2", "db|web"]) assert.ok(hits(q), q);
  for (const q of ["db", "web db", "-web"]) assert.ok(!hits(q), q);
});

test("fields match whole values, with wildcards and alternatives", () => {
  for (const q of ["power:on", "name:web*", "host:host-1|host-2", "-power:off", "kind:container", "tag:prod", "-tag:test"])
    assert.ok(hits(q), q);
  for (const q of ["tag:environment/*", "tag:test|tag-1", 'tag:"Use/Frost free"']) assert.ok(hits(q), q);
  for (const q of ["power:off", "name:web", "host:host-1", "kind:machine", "tag:pro", "-tag:*"]) assert.ok(!hits(q), q);
});

test("numbers compare, with units", () => {
  for (const q of ["mem>=4gb", "mem<4097", "cpu>1", "cpu<=2 mem>2g"]) assert.ok(hits(q), q);
  for (const q of ["mem>4gb", "cpu>2"]) assert.ok(!hits(q), q);
});

test("a term that means nothing is named", () => {
  assert.deepEqual(parseFilter("web colour:red"), { bad: "colour:red" });
  assert.deepEqual(parseFilter("mem>lots"), { bad: "mem>lots" });
});
