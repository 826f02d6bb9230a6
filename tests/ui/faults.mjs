// What goes wrong around the pages, without a server: names that want to be code, a server that restarts
// or does not answer, objects that vanish.
//
//     DROVER_WEB=BUILD/web node --test tests/ui/faults.mjs
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, close, complaints, context, dialog, go, page, shot } from "./browser.mjs";
import { invent, ORIGIN, serve } from "./fake.mjs";

const EVIL = `<img src=x onerror="globalThis.hurt=1">`;
const LONG = "very-long-".repeat(1000);
const GUESTS = 2000;
const asked = [];
/** The operation that each change of a guest says it is, those that get lost on their way included. */
const ops = [];
page.on("request", (r) => r.method() === "PATCH" && ops.push(r.headers()["x-drover-op"]));
let refuse = 0;
let role = "administrator";
let csrf = "c";
/** What the server answers to the next change of a pool that stands on an older revision than this. */
let met = null;
/** Who has no room on another host. */
let stays = "";
let watch;

function api(method, path, request) {
  if (path === "/sessions/current") return csrf ? { body: { user: "admin", role, csrf, expires_at: "2026-01-01T00:00:00.000Z" } } : { status: 401, body: {} };
  if (method === "GET" || path === "/sessions") return null;
  if (role === "read_only") return { status: 403, body: { error: { code: "denied", message: "an operator may do this", request_id: "r-2" } } };
  const headers = request.headers();
  if (headers["x-drover-csrf"] !== csrf) return { status: 403, body: { error: { code: "denied", message: "X-Drover-Csrf is missing or not this session's", request_id: "r-3" } } };
  asked.push({ method, path, op: headers["x-drover-op"], rev: headers["if-match"], body: request.postDataJSON() });
  if (met && Number(headers["if-match"]?.replaceAll('"', "")) < met.object.rev)
    return { status: 412, body: { error: { code: "changed", message: "the pool is not as it was", request_id: "r-4" }, ...met } };
  if (refuse-- > 0) return { status: 503, body: { error: { code: "unavailable", message: "the server is starting", request_id: "r-1" } } };
  if (path.endsWith("/migrate-check")) return { body: { items: [{ host: "host-2", possible: !path.includes(`/${stays}/`), obstacles: path.includes(`/${stays}/`) ? ["no room for it"] : [] }] } };
  return { body: { task: { id: "task-1" }, object: null } };
}

before(async () => {
  const items = invent(3, GUESTS);
  items.find((o) => o.id === "vm-1").name = EVIL;
  items.find((o) => o.id === "vm-2").name = LONG;
  watch = await serve(page, process.env.DROVER_WEB, items, api);
  await page.goto(`${ORIGIN}/#/vms`);
  await page.getByText("● live").waitFor();
});
after(close);

test("of thousands of rows only those that can be seen are drawn", async () => {
  await page.getByText(`${GUESTS} of ${GUESTS}`).waitFor();
  assert.ok((await page.locator("tr[data-vm]").count()) < 100);
  assert.ok((await page.getByRole("treeitem").count()) < 100);
  for (const end of ["web-2000", "web-3"]) {
    await page.locator("table.objects").evaluate((x, down) => x.parentElement.scrollTo(0, down ? x.parentElement.scrollHeight : 0), end === "web-2000");
    await page.locator("tr[data-vm]", { has: page.getByRole("link", { name: end, exact: true }) }).waitFor();
    const drawn = await page.evaluate(() => {
      const [rows, box] = [[...document.querySelectorAll("tr[data-vm]")], document.querySelector("table.objects").parentElement.getBoundingClientRect()];
      const seen = rows.map((r) => r.getBoundingClientRect());
      return { gap: seen.at(-1).bottom < box.bottom - 40, heights: new Set(seen.map((r) => Math.round(r.height))).size };
    });
    assert.deepEqual(drawn, { gap: false, heights: 1 });
  }
});

test("names are text, whatever they hold and however long they are", async () => {
  for (const id of ["vm-1", "vm-2"]) {
    await go(id);
    await page.locator(".page h1").waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${id} makes the page wider`);
    await page.getByRole("button", { name: "Actions ▾" }).or(page.locator("header button[aria-haspopup=menu]")).first().click();
    await page.getByRole("menuitem", { name: "Power off" }).click();
    await dialog().getByRole("button", { name: "Cancel" }).click();
  }
  await page.getByRole("tab", { name: "Alarms" }).first().waitFor();
  assert.equal(await page.evaluate(() => globalThis.hurt), undefined);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("onerror");
  await page.getByRole("option", { name: EVIL }).waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => globalThis.hurt), undefined);
});

test("a wizard outlives a restart of the server, and its operation is made once", async () => {
  await go("vm-7");
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("Notes").fill("written before the restart");
  watch.boot = "b2";
  watch.cut();
  await page.getByText("▲ stale since").waitFor();
  await page.route(`${ORIGIN}/api/v1/vms/vm-7`, (r) => r.abort(), { times: 1 });
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().getByText("the server cannot be reached").waitFor();
  await page.getByText("● live").waitFor();
  assert.equal(await dialog().getByLabel("Notes").inputValue(), "written before the restart");
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().waitFor({ state: "detached" });
  assert.deepEqual(asked.at(-1).body, { notes: "written before the restart" });
  assert.equal(ops.length, 2);
  assert.equal(ops[0], ops[1]);
  await page.getByRole("tab", { name: /^Commands/ }).click();
  await page.getByText("Set-VM web-7 -Notes 'written before the restart'").waitFor();
});

test("a refusal leaves the form as it was, in the server's words", async () => {
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("CPUs").fill("4");
  refuse = 1;
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().getByText("the server is starting").waitFor();
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().waitFor({ state: "detached" });
  const [first, second] = asked.slice(-2);
  assert.deepEqual(second.body, { num_cpu: 4 });
  assert.notEqual(first.op, second.op, "what was refused is another operation when it is tried again");
});

test("whose role becomes less is refused in words, and offered no more than he may", async () => {
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("CPUs").fill("3");
  role = "read_only";
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().getByText("an operator may do this").waitFor();
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await page.getByText("read only").waitFor();
  await page.getByRole("button", { name: "Edit settings…" }).waitFor({ state: "detached" });
  role = "administrator";
  await page.evaluate(() => location.reload());
  await page.getByText("● live").waitFor();
});

const pool = (rev, more) => ({ ...watch.items.find((o) => o.id === "pool-2"), rev, ...more });
const changes = (rev, ...fields) => [{ rev, at: "2026-01-01T00:00:00.000Z", user: "anna", fields }];

test("the second of two is told by whom it was changed, keeps what he typed, and chooses", async () => {
  watch.delta({ "pool-2": pool(20, {}) });
  await go("pool-2");
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("CPU: Limit").fill("3000");
  // The news has not come yet: the server knows better.
  met = { object: pool(30, { cpu_limit_mhz: 2000, mem_limit_mb: 64 }), changes: changes(30, "cpu_limit_mhz", "mem_limit_mb") };
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().getByText("CPU: Limit (MHz) was changed to 2000 by anna meanwhile.").waitFor();
  await dialog().getByText("Memory: Limit (MB) was changed to 64 by anna meanwhile.").waitFor();
  assert.equal(asked.at(-1).rev, '"20"');
  assert.equal(await dialog().getByLabel("CPU: Limit").inputValue(), "3000");
  await accessible("met", "dialog[open]");
  await shot("met");
  await dialog().getByRole("button", { name: "Save over it" }).click();
  await dialog().waitFor({ state: "detached" });
  assert.deepEqual([asked.at(-1).rev, asked.at(-1).body], ['"30"', { cpu_limit_mhz: 3000 }]);
});

test("what was changed elsewhere in the object does not stop a save", async () => {
  watch.delta({ "pool-2": pool(40, {}) });
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("CPU: Limit").fill("3500");
  met = { object: pool(50, { tags: ["tag-1"] }), changes: changes(50, "parent") };
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().waitFor({ state: "detached" });
  assert.deepEqual(asked.slice(-2).map((a) => a.rev), ['"40"', '"50"']);
  met = null;
});

test("who logs in again in another tab goes on in this one", async () => {
  await go("vm-9");
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("Notes").fill("typed before");
  csrf = "d";
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().waitFor({ state: "detached" });
  assert.deepEqual(asked.at(-1).body, { notes: "typed before" });
  // Out everywhere, then in again elsewhere: coming back to this tab is enough.
  csrf = "";
  watch.socket.close({ code: 4401, reason: "you have logged out" });
  const again = page.getByRole("dialog", { name: "Log in again" });
  await again.getByText("you have logged out").waitFor();
  csrf = "e";
  const other = await context.newPage();
  await other.bringToFront();
  await other.close();
  await page.bringToFront();
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await again.waitFor({ state: "detached" });
  await page.getByText("● live").waitFor();
});

test("what is removed under one's hands is told", async () => {
  await go("vm-7");
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  watch.delta({}, ["vm-7"]);
  await dialog().getByText("It was removed by somebody else meanwhile.").waitFor();
  assert.equal(await dialog().getByRole("button", { name: "Save" }).count(), 0);
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "This object is gone" }).waitFor();
  await accessible("gone");
});

test("a recommendation comes with every number behind it, and is taken or not", async () => {
  const load = { cpu_before: 0.9, cpu_after: 0.5, memory_before: 0.4, memory_after: 0.3 };
  const rec = {
    id: "rec-1", kind: "rec", name: "Move web-9 from host-1 to host-2", parent: "cluster-1", rev: 12, vm: "vm-9", from_host: "host-1", to_host: "host-2",
    action: "move", priority: 2, reason: "balanceCpu", text: "evens out CPU", state: "pending", note: null, task: null,
    factors: {
      imbalance_before: { cpu: 0.3, memory: 0.1 }, imbalance_after: { cpu: 0.1, memory: 0.05 }, from_load: load, to_load: load, rules: [], broken_rule: null, company: null,
      copy_s: 2, pause_s: 0.4, cost_mhz_s: 4000, benefit_mhz_s: 90000, risk_mhz_s: -5000, net_benefit_mhz_s: 81000,
      alternatives: [{ host: "host-3", host_name: "host-3", term: "imbalance", text: "leaves an imbalance of 0.2", imbalance: 0.2 }],
    },
  };
  watch.delta({ "rec-1": rec });
  await go("cluster-1", "drs");
  await page.getByRole("button", { name: rec.name }).first().click();
  await page.getByRole("row", { name: "CPU load of host-1 90.0 % 50.0 % ▾ 40.0 %", exact: true }).waitFor();
  await page.getByText("+81,000 MHz·s").waitFor();
  await page.getByText("leaves an imbalance of 0.2").waitFor();
  await accessible("recommendation");
  await shot("why");
  await page.getByRole("button", { name: `Apply: ${rec.name}` }).click();
  await page.getByText("Get-DrsRecommendation -State Pending -VM web-9 | Invoke-DrsRecommendation").waitFor();
  watch.delta({ "rec-1": { state: "applied" } });
  await page.getByText("Nothing is recommended.").waitFor();
});

test("alarms are told at once, and acknowledged", async () => {
  await go("host-2");
  const alarm = { id: "alarm-1", kind: "alarm", name: "Host memory", entity: "host-2", entity_name: "host-2", status: "red", reason: "memory 97 %", since: "2026-01-01T00:00:00.000Z", acknowledged: false, rev: 11 };
  watch.delta({ "alarm-1": alarm }, [], "alarms");
  await page.locator(".page h1 ~ .glyph", { hasText: "Alarm Alert" }).waitFor();
  await page.locator(".dock").getByRole("tab", { name: "Alarms 1" }).click();
  await page.getByRole("button", { name: "Acknowledge: Host memory host-2" }).click();
  watch.delta({ "alarm-1": { acknowledged: true, acknowledged_by: "admin" } }, [], "alarms");
  await page.locator(".dock").getByRole("tab", { name: "Alarms", exact: true }).waitFor();
  await accessible("alarms", ".dock");
  await shot("alarms");
  assert.deepEqual(asked.at(-1).path, "/alarms/alarm-1/acknowledge");
});

test("tiles of the heat map are dragged together; who cannot go says why and stays", async () => {
  await go("cluster-1", "heat");
  const canvas = page.locator(".heat canvas");
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  /** The guest whose tile lies there. */
  const guestAt = async (x, y) => {
    await page.mouse.move(box.x + x, box.y + y);
    const name = (await page.locator(".heat .tip").textContent()).split(":")[0];
    assert.match(name, /^web-\d+$/);
    return name;
  };
  const places = [[30, 100], [90, 100]];
  const names = [];
  await page.keyboard.down("Control");
  for (const [x, y] of places) {
    names.push(await guestAt(x, y));
    await page.mouse.click(box.x + x, box.y + y);
  }
  await page.keyboard.up("Control");
  assert.notEqual(names[0], names[1]);
  stays = names[1].replace("web", "vm");
  await guestAt(...places[0]);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + 60, { steps: 5 });
  await page.locator(".bubble").getByText("1 of 2 fit on host-2, the others stay").waitFor();
  await page.locator(".bubble li").getByText(`${names[1]}: no room for it`).waitFor();
  await shot("heat-drag");
  await page.mouse.up();
  await page.locator(".toast").getByText(`${names[1]}: no room for it`).waitFor();
  assert.deepEqual(
    asked.filter((x) => x.path.endsWith("/migrate")).map((x) => [x.path, x.body]),
    [[`/vms/${names[0].replace("web", "vm")}/migrate`, { host: "host-2" }]],
  );
});

test("nothing else was complained about", () => {
  assert.deepEqual(complaints.filter((c) => !/40[13]|412|503|ERR_FAILED|WebSocket/.test(c)), []);
});
