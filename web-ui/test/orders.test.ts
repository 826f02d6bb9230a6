import assert from "node:assert/strict";
import { test } from "node:test";
import { find, names, score, wordsOf } from "../src/store/find.ts";
import { hungry } from "../src/store/hunger.ts";
import { parseLoss, parseMany, parseMore } from "../src/store/orders.ts";

test("letters and a number find a name that has something between them", () => {
  for (const q of ["h2", "host2", "HOST-2"]) assert.ok(score("host-2", q) > 0, q);
  for (const q of ["h2", "host2"]) for (const name of ["host-12", "host-21", "ghost-2"]) assert.equal(score(name, q), 0, `${q} ${name}`);
  assert.ok(score("db-web-01", "web1") > 0);
  assert.ok(names("web-01", wordsOf("why w1")));
  const all = ["host-2", "h2"].map((text) => ({ key: text, text, hint: "", icon: "", weight: 0 }));
  assert.deepEqual(
    find(all, "h2", 2).map((x) => x.text),
    ["h2", "host-2"],
    "what is written so comes first",
  );
});

test("more for a pool is an amount of memory or of CPU time", () => {
  assert.deepEqual(parseMore("prod +8g"), { who: "prod", field: "mem_reservation_mb", by: 8192 });
  assert.deepEqual(parseMore("web shop+512MB"), { who: "web shop", field: "mem_reservation_mb", by: 512 });
  assert.deepEqual(parseMore("prod +1.5GHz"), { who: "prod", field: "cpu_reservation_mhz", by: 1500 });
  for (const q of ["prod", "+8g", "prod +", "prod +8", "prod +8 apples", "prod -8g"]) assert.equal(parseMore(q), null, q);
});

test("a loss names hosts", () => {
  assert.deepEqual(parseLoss("if h1 h3"), ["h1", "h3"]);
  assert.deepEqual(parseLoss("Lose host-1+host-3"), ["host-1", "host-3"]);
  for (const q of ["", "if", "h1 h3", "iffy h1"]) assert.equal(parseLoss(q), null, q);
});

test("what is for many has a filter in it", () => {
  assert.deepEqual(parseMany("migrate #prod"), { verb: "migrate", filter: "tag:prod" });
  assert.deepEqual(parseMany("mem>4g power off -host:h1 -#test"), { verb: "power off", filter: "mem>4g -host:h1 -tag:test" });
  for (const q of ["", "migrate web", "#", "host:"]) assert.equal(parseMany(q), null, q);
});

test("who lacks the largest part is first, who lacks nothing is not named", () => {
  const series = (object: string, counter: string, ...values: (number | null)[]) => ({ object, counter, unit: "", instance: "", values });
  const asked = {
    interval_s: 20,
    first: "2026-01-01T00:00:00.000Z",
    count: 2,
    series: [
      series("pool-1", "cpu.demand.average", 900, 1000),
      series("pool-1", "cpu.usagemhz.average", 900, 990),
      series("pool-2", "cpu.demand.average", 0, 1000),
      series("pool-2", "cpu.usagemhz.average", 0, 800),
      series("pool-3", "cpu.demand.average", 2600, null),
      series("pool-3", "cpu.usagemhz.average", 100, null),
      series("pool-4", "mem.swapped.average", 0, 2048),
    ],
  };
  assert.deepEqual(hungry(asked), [
    { pool: "pool-3", wantsMhz: 2600, getsMhz: 100, takenMb: 0 },
    { pool: "pool-2", wantsMhz: 1000, getsMhz: 800, takenMb: 0 },
    { pool: "pool-4", wantsMhz: 0, getsMhz: 0, takenMb: 2 },
  ]);
});
