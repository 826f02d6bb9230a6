import assert from "node:assert/strict";
import { test } from "node:test";
import { deviation, drsScore } from "../src/store/balance.ts";
import { type Entry, find, score } from "../src/store/find.ts";
import { layout, squarify } from "../src/store/layout.ts";
import { href, parseRoute } from "../src/store/route.ts";
import { isEmpty, readable, timesOf } from "../src/store/stats.ts";
import { csv } from "../src/ui/text.ts";

test("an address is read back as it was written", () => {
  const r = parseRoute(href("vm-1", "monitor", "c=cpu.usage.average&r=3600"));
  assert.deepEqual([r.place, r.tab, r.query.get("c")], ["vm-1", "monitor", "cpu.usage.average"]);
  assert.equal(parseRoute("").place, "home");
  assert.equal(parseRoute("#/%E0%A4%A").place, "%E0%A4%A", "what is no encoding stands for itself");
});

test("the palette prefers whole names and beginnings of words", () => {
  const entry = (text: string, weight = 0): Entry => ({ key: text, text, hint: "", icon: "", weight });
  const all = ["new-web", "web-01", "web", "Power on web-01"].map((x) => entry(x));
  assert.deepEqual(
    find(all, "web", 9).map((e) => e.text),
    ["web", "web-01", "new-web", "Power on web-01"],
  );
  assert.deepEqual(
    find(all, "01 power", 9).map((e) => e.text),
    ["Power on web-01"],
  );
  assert.equal(score("abc", "x"), 0);
});

test("the deviation is the population's", () => {
  assert.equal(deviation([]), 0);
  assert.equal(deviation([0.25, 0.75]), 0.25);
  assert.equal(drsScore(0.25, 0.1), 75);
  assert.equal(drsScore(3, 0), 0);
});

test("tiles fill their card, each by its weight", () => {
  const tiles = squarify(
    [
      { id: "a", weight: 6 },
      { id: "b", weight: 3 },
      { id: "c", weight: 1 },
    ],
    10,
    20,
    100,
    50,
  );
  assert.deepEqual(
    tiles.map((b) => Math.round(b.w * b.h)),
    [3000, 1500, 500],
  );
  for (const b of tiles) assert.ok(b.x >= 10 && b.y >= 20 && b.x + b.w < 110.001 && b.y + b.h < 70.001);
});

test("cards fill the width, and free room stays free", () => {
  const hosts = Array.from({ length: 64 }, (_, i) => ({ id: `host-${i}`, room: 4096, guests: [{ id: `vm-${i}`, weight: 1024 }] }));
  const { cards, height } = layout(hosts, 1000, 70);
  assert.equal(cards.length, 64);
  assert.equal(height, 8 * 78 - 8);
  const [first] = cards;
  assert.ok(first && Math.abs((first.tiles[0]?.h ?? 0) - (70 - 24) / 4) < 0.01);
  assert.equal(layout([], 500, 70).cards.length, 0);
});

test("figures have times, units and gaps", () => {
  const s = {
    interval_s: 20,
    first: "2026-01-01T00:00:20.000Z",
    count: 2,
    series: [{ object: "vm-1", counter: "c", unit: "%", instance: "", values: [null, null] }],
  };
  assert.deepEqual(timesOf(s), [1767225620, 1767225640]);
  assert.ok(isEmpty(s));
  assert.equal(readable(1536, "KB"), "1.5 MB");
  assert.equal(readable(2600, "MHz"), "2.60 GHz");
});

test("an export holds no formulas", () => {
  assert.equal(csv([["=1+1", 'a"b', -5]]), '\'=1+1,"a""b",-5\r\n');
});
