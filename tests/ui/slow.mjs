// A link on which everything takes its time: the pages say what they wait for, stay usable meanwhile, lose
// nothing that was typed, and send nothing twice. Without a server.
//
//     DROVER_WEB=BUILD/web node --test tests/ui/slow.mjs
//
// DROVER_LINK_MS=20000: so long a request takes to be answered, and a frame of the watch to arrive.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { close, complaints, dialog, go, page } from "./browser.mjs";
import { invent, ORIGIN, serve } from "./fake.mjs";

const LINK_MS = Number(process.env.DROVER_LINK_MS ?? 1500);
const asked = [];
let refuse = false;
let watch;
page.setDefaultTimeout(60_000 + 10 * LINK_MS);

function api(method, path, request) {
  if (method === "GET") return null;
  asked.push(`${method} ${path} ${JSON.stringify(request.postDataJSON())}`);
  return refuse ? { status: 409, body: { error: { code: "bad_state", message: "web-7 is being moved", request_id: "r-1" } } } : { body: { task: { id: "task-1" }, object: null } };
}

after(close);

test("who waits for the first page is told so", async () => {
  watch = await serve(page, process.env.DROVER_WEB, invent(3, 50), api, LINK_MS);
  await page.goto(`${ORIGIN}/#/vm-7`, { waitUntil: "commit" });
  await page.getByText("Loading Drover…").waitFor({ state: "attached" });
  await page.getByText("◌ connecting").waitFor();
  await page.getByText("● live").waitFor();
  await page.getByRole("heading", { name: "web-7", level: 1 }).waitFor();
});

test("a save that takes its time is sent once, and is named while it is waited for", async () => {
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("Notes").fill("from afar");
  await dialog().getByLabel("CPUs").fill("4");
  await dialog().getByLabel("CPUs").press("Enter");
  await dialog().getByLabel("CPUs").press("Enter");
  assert.ok(await dialog().getByRole("button", { name: "Save" }).isDisabled());
  await dialog().getByText("Waiting for the server…").waitFor();
  await page.locator("header .way", { hasText: "waiting for the server: Set-VM web-7" }).waitFor({ state: "attached" });
  assert.equal(await dialog().getByLabel("Notes").inputValue(), "from afar");
  await dialog().waitFor({ state: "detached" });
  assert.deepEqual(asked, ['PATCH /vms/vm-7 {"num_cpu":4,"notes":"from afar"}']);
});

test("the page is used meanwhile; a refusal reaches who has closed the dialog", async () => {
  refuse = true;
  asked.length = 0;
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("CPUs").fill("5");
  await dialog().getByRole("button", { name: "Save" }).click();
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
  await go("vms");
  await page.locator("#filter").fill("web-1");
  await page.getByText(/^11 of /).waitFor();
  await page.locator(".toast", { hasText: "web-7 is being moved" }).waitFor();
  assert.equal(asked.length, 1);
  await page.locator("#filter").fill("");
  refuse = false;
});

test("an order that is given again while it is on its way is one", async () => {
  asked.length = 0;
  for (let i = 0; i < 2; i++) {
    await page.getByLabel("Actions for web-8").click();
    await page.getByRole("menuitem", { name: "Shut down" }).click();
  }
  await page.locator("header .way", { hasText: "Stop-VMGuest web-8" }).waitFor({ state: "attached" });
  await page.locator("header .way", { hasText: "Stop-VMGuest web-8" }).waitFor({ state: "detached" });
  assert.deepEqual(asked, ['POST /vms/vm-8/stop {"mode":"acpi"}']);
});

test("a line that is cut while somebody types comes back, and nothing is lost", async () => {
  await go("vm-9");
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("Notes").fill("typed while the line was cut");
  watch.cut();
  await page.getByText("▲ stale since").waitFor();
  await page.getByText("● live").waitFor();
  assert.equal(await dialog().getByLabel("Notes").inputValue(), "typed while the line was cut");
  await dialog().getByRole("button", { name: "Cancel" }).click();
});

test("nothing else was complained about", () => {
  assert.deepEqual(complaints.filter((c) => !/409|WebSocket/.test(c)), []);
});
