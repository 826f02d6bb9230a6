import assert from "node:assert/strict";
import { test } from "node:test";
import { groupsOf, queryOf, readLook, sortText } from "../src/store/views.ts";

const known = ["name", "state", "host", "mem", "pool"];
const look = (query: string) => readLook(new URLSearchParams(query), known, ["name", "state"]);

test("an address says columns, order and groups; what it does not say is as always", () => {
  assert.deepEqual(look(""), { columns: ["name", "state"], sort: { id: "name", down: false }, group: "" });
  assert.deepEqual(look("sort=-mem&columns=mem,host&group=pool"), {
    columns: ["name", "mem", "host"],
    sort: { id: "mem", down: true },
    group: "pool",
  });
});

test("columns that there are not are left out", () => {
  assert.deepEqual(look("sort=-gone&columns=gone,also&group=gone"), look(""));
  assert.deepEqual(look("columns=name,gone,pool").columns, ["name", "pool"]);
});

test("a view is what of the address belongs to the list", () => {
  assert.equal(queryOf(new URLSearchParams("q=web* power:on&sort=-mem&zoom=pool-1&group=")), "q=web*+power%3Aon&sort=-mem");
  assert.equal(sortText(look("sort=-mem").sort), "-mem");
});

test("groups are in the order of their names, rows in their own", () => {
  const rows = ["b10", "b2", "a1", "b2x"];
  assert.deepEqual(
    groupsOf(rows, (r) => (r.startsWith("b") ? `h${r.slice(1).length * 5}` : "h2")),
    [
      { key: "h2", rows: ["a1"] },
      { key: "h5", rows: ["b2"] },
      { key: "h10", rows: ["b10", "b2x"] },
    ],
  );
});
