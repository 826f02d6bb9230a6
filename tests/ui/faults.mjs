// What goes wrong around the pages, without a server: names that want to be code, a server that restarts
// or does not answer, objects that vanish.
//
//     DROVER_WEB=BUILD/web node --test tests/ui/faults.mjs
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, close, complaints, dialog, go, page, shot } from "./browser.mjs";
import { invent, ORIGIN, serve } from "./fake.mjs";

const EVIL = `<img src=x onerror="globalThis.hurt=1">`;
const LONG = "very-long-".repeat(1000);
const GUESTS = 2000;
const asked = [];
/** The operation that each change of a guest says it is, those that get lost on their way included. */
const ops = [];
page.on("request", (r) => r.method() === "PATCH" && ops.push(r.headers()["x-drover-op"]));
let refuse = 0;
let watch;

function api(method, path, request) {
  if (method === "GET" || path === "/sessions") return null;
  asked.push({ method, path, op: request.headers()["x-drover-op"], body: request.postDataJSON() });
  if (refuse-- > 0) return { status: 503, body: { error: { code: "unavailable", message: "the server is starting", request_id: "r-1" } } };
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

test("what is removed under one's hands is told", async () => {
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  watch.delta({}, ["vm-7"]);
  await dialog().getByText("It was removed by somebody else meanwhile.").waitFor();
  assert.equal(await dialog().getByRole("button", { name: "Save" }).count(), 0);
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "This object is gone" }).waitFor();
  await accessible("gone");
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

test("nothing else was complained about", () => {
  assert.deepEqual(complaints.filter((c) => !/503|ERR_FAILED|WebSocket/.test(c)), []);
});
