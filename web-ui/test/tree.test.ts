import assert from "node:assert/strict";
import { test } from "node:test";
import { type Leaf, buildTree, filterTree, pathTo, treeRows } from "../src/store/tree.ts";

const objects = [
  { id: "dc-1", kind: "dc", name: "dc", parent: null },
  { id: "folder-1", kind: "folder", name: "apps", parent: "dc-1" },
  { id: "folder-2", kind: "folder", name: "nothing", parent: "dc-1" },
  { id: "cluster-1", kind: "cluster", name: "c", parent: "dc-1" },
  { id: "host-10", kind: "host", name: "h10", parent: "cluster-1" },
  { id: "host-2", kind: "host", name: "h2", parent: "cluster-1" },
  { id: "pool-1", kind: "pool", name: "Resources", parent: "cluster-1" },
  { id: "pool-2", kind: "pool", name: "prod", parent: "pool-1" },
  { id: "vm-1", kind: "vm", name: "web", parent: "folder-1", host: "host-2", pool: "pool-2" },
  { id: "vm-2", kind: "vm", name: "db", parent: "dc-1", host: null, pool: "pool-1" },
  { id: "datastore-1", kind: "datastore", name: "ssd", parent: "dc-1" },
] as Leaf[];

const drawn = (view: "hosts" | "vms" | "pools" | "storage", filter = ""): string =>
  treeRows(filterTree(buildTree(objects, view), filter), new Set(), true)
    .map((r) => `${r.level}${r.name}`)
    .join(" ");

test("each view has its own parents; names count as people count", () => {
  assert.equal(drawn("hosts"), "1dc 2apps 2nothing 2c 3h2 4web 3h10 2db");
  assert.equal(drawn("vms"), "1dc 2apps 3web 2db");
  assert.equal(drawn("pools"), "1dc 2c 3Resources 4prod 5web 4db");
  assert.equal(drawn("storage"), "1dc 2ssd");
});

test("a filter keeps the ancestors of what matches, and what is below it", () => {
  assert.equal(drawn("pools", "PROD"), "1dc 2c 3Resources 4prod 5web");
  assert.equal(drawn("hosts", "vm-1"), "1dc 2c 3h2 4web");
  assert.equal(drawn("hosts", "nowhere"), "");
});

test("rows tell their place among their siblings", () => {
  const rows = treeRows(buildTree(objects, "hosts"), new Set(["dc-1", "cluster-1"]), false);
  assert.deepEqual(
    rows.map((r) => [r.name, r.position, r.siblings, r.open]),
    [
      ["dc", 1, 1, true],
      ["apps", 1, 4, null],
      ["nothing", 2, 4, null],
      ["c", 3, 4, true],
      ["h2", 1, 2, false],
      ["h10", 2, 2, null],
      ["db", 4, 4, null],
    ],
  );
});

test("the way to an object", () => {
  assert.deepEqual(pathTo(buildTree(objects, "hosts"), "vm-1"), ["dc-1", "cluster-1", "host-2"]);
  assert.equal(pathTo(buildTree(objects, "storage"), "vm-1"), null);
});

test("ten thousand objects make a tree in a moment", () => {
  const many = [
    ...objects,
    ...Array.from(
      { length: 10_000 },
      (_, i) => ({ id: `vm-${i + 10}`, kind: "vm", name: `m${i}`, parent: "dc-1", host: "host-10" }) as Leaf,
    ),
  ];
  assert.equal(treeRows(buildTree(many, "hosts"), new Set(), true).length, 10_008);
});
