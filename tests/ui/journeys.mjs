// Journeys of a person through the pages, in a real browser, against a running lab.
//
// DROVER_URL, DROVER_USER, DROVER_PASSWORD say where; the lab must have at least one machine that is on
// and a template. SHOTS=folder keeps a picture of each step. Run by tests/integration/test_ui.py.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const require = createRequire(new URL("../../web-ui/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const axeSource = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");

const url = process.env.DROVER_URL;
const user = process.env.DROVER_USER;
const password = process.env.DROVER_PASSWORD;
const WAIT = 60_000;

let context;
let page;
let profile;
const complaints = [];

before(async () => {
  profile = await mkdtemp(join(tmpdir(), "drover-ui-"));
  context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    headless: true,
    ignoreHTTPSErrors: true,
    bypassCSP: false,
    viewport: { width: 1280, height: 800 },
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
  page = await context.newPage();
  page.setDefaultTimeout(WAIT);
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => {
    if (!r.url().startsWith(url) && !r.url().startsWith("data:")) complaints.push(`asked ${r.url()}`);
  });
});

after(async () => {
  await context?.close();
  await rm(profile, { recursive: true, force: true });
});

async function shot(name) {
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
}

/** No serious fault of accessibility. The page's CSP forbids injected scripts, so axe goes in by CDP. */
async function accessible(name) {
  const cdp = await context.newCDPSession(page);
  await cdp.send("Runtime.evaluate", { expression: axeSource });
  const { result } = await cdp.send("Runtime.evaluate", {
    expression: "axe.run().then(r => JSON.stringify(r.violations.map(v => [v.impact, v.id, v.nodes[0].html])))",
    awaitPromise: true,
    returnByValue: true,
  });
  const bad = JSON.parse(result.value).filter(([impact]) => ["serious", "critical"].includes(impact));
  assert.deepEqual(bad, [], `${name} is not accessible`);
}

const row = (name) => page.locator("tr[data-vm]", { has: page.getByText(name, { exact: true }) });

test("a wrong password is refused in words", async () => {
  await page.goto(url);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill("certainly not this");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("user name or password is wrong").waitFor();
  await accessible("login");
  await shot("login");
  complaints.length = 0; // the browser itself logs the 401s
});

test("logging in shows the fleet, live", async () => {
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("● live").waitFor();
  await page.locator("tr[data-vm]").first().waitFor();
  for (const theme of ["light", "dark"]) {
    await page.getByLabel("Theme").selectOption(theme);
    await accessible(`fleet, ${theme}`);
    await shot(`fleet-${theme}`);
  }
});

test("a machine is made from the page and its task shows", async () => {
  await page.getByRole("button", { name: "New machine" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("ui-journey");
  await dialog.getByLabel("Power on").check();
  await accessible("new machine");
  await dialog.getByRole("button", { name: "Create" }).click();
  await row("ui-journey").waitFor();
  await row("ui-journey").getByText("Powered on").waitFor();
  await page.getByRole("cell", { name: "Create virtual machine" }).first().waitFor();
});

test("a second machine of that name is refused in words", async () => {
  await page.getByRole("button", { name: "New machine" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("ui-journey");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByText("ui-journey").waitFor();
  await shot("refused");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  complaints.length = 0; // the browser itself logs the 409
});

test("the filter narrows and says what it does not understand", async () => {
  await page.keyboard.press("/");
  await page.keyboard.type("ui-j* power:on");
  await page.getByText(/^1 of /).waitFor();
  assert.equal(await page.locator("tr[data-vm]").count(), 1);
  await page.getByRole("searchbox").fill("colour:red");
  await page.getByText("“colour:red” is not understood").waitFor();
  await page.getByRole("searchbox").fill("");
});

test("a container is made of its template, and tells what it uses", { skip: !process.env.DROVER_CONTAINERS }, async () => {
  await page.getByRole("button", { name: "New machine" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("ui-container");
  await dialog.locator("select[name=template]").selectOption({ label: "busybox (containers)" });
  await dialog.getByLabel("Processes").fill("100");
  await accessible("new container");
  await dialog.getByRole("button", { name: "Create" }).click();
  await row("ui-container").getByText("Powered on").waitFor();
  await page.getByRole("searchbox").fill("kind:container");
  await page.waitForFunction(() => document.querySelectorAll("tr[data-vm]").length === 1);
  await page.getByRole("searchbox").fill("");
  const menu = row("ui-container").getByLabel("Actions for ui-container");
  assert.equal(await menu.locator("option[value=snapshots]").count(), 0);
  await menu.selectOption("counters");
  await dialog.getByRole("cell", { name: "memory", exact: true }).waitFor();
  await accessible("counters");
  await shot("counters");
  await dialog.getByRole("button", { name: "Close" }).click();
  await menu.selectOption("kill");
  await dialog.getByRole("button", { name: "Power off" }).click();
  await menu.locator("option[value=delete]").waitFor({ state: "attached" });
  await menu.selectOption("delete");
  await dialog.getByRole("button", { name: "Delete from disk" }).click();
  await row("ui-container").waitFor({ state: "detached" });
});

test("a machine migrates; hosts that cannot take it say why", async () => {
  const here = await row("ui-journey").locator("td").nth(4).textContent();
  await row("ui-journey").getByLabel("Actions for ui-journey").selectOption("migrate");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("already").first().waitFor();
  assert.ok(await dialog.getByLabel(new RegExp(`^${here}`)).isDisabled());
  await accessible("migrate");
  await shot("migrate");
  await dialog.locator("input[name=host]:not(:disabled)").first().check();
  await dialog.getByRole("button", { name: "Migrate" }).click();
  await page.getByRole("cell", { name: /done in .* s/ }).first().waitFor();
  await page.waitForFunction(
    (was) => [...document.querySelectorAll("tr[data-vm]")].some((r) => r.textContent.includes("ui-journey") && !r.textContent.includes(was)),
    here,
  );
});

test("a snapshot is taken and deleted", async () => {
  await row("ui-journey").getByLabel("Actions for ui-journey").selectOption("snapshots");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("New snapshot").fill("before");
  await dialog.getByRole("button", { name: "Take" }).click();
  await dialog.getByText("current").waitFor();
  await accessible("snapshots");
  await shot("snapshots");
  await dialog.getByRole("button", { name: "Delete before" }).click();
  await dialog.getByText("There is none yet.").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
});

async function remove(name) {
  await row(name).getByLabel(`Actions for ${name}`).selectOption("delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete from disk" }).click();
  await row(name).waitFor({ state: "detached" });
}

test("a pattern makes several machines", async () => {
  await page.getByRole("button", { name: "New machine" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("ui-many-{1..2}");
  await dialog.getByLabel("Power on").uncheck();
  await dialog.getByRole("button", { name: "Create" }).click();
  for (const name of ["ui-many-1", "ui-many-2"]) {
    await row(name).getByText("Powered off").waitFor();
    await remove(name);
  }
});

test("a machine that runs is cloned", async () => {
  await row("ui-journey").getByLabel("Actions for ui-journey").selectOption("clone");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("ui-clone");
  await accessible("clone");
  await shot("clone");
  await dialog.getByRole("button", { name: "Clone" }).click();
  await row("ui-clone").getByText("Powered off").waitFor();
  await row("ui-journey").getByText("Powered on").waitFor();
  await remove("ui-clone");
});

test("a machine is powered off and deleted from its menu", async () => {
  await row("ui-journey").getByLabel("Actions for ui-journey").selectOption("kill");
  await page.getByRole("dialog").getByRole("button", { name: "Power off" }).click();
  await row("ui-journey").getByText("Powered off").waitFor();
  await remove("ui-journey");
});

test("logging out ends it", async () => {
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("button", { name: "Log in" }).waitFor();
  complaints.splice(0, complaints.length, ...complaints.filter((c) => !c.includes("401")));
});

test("nothing was complained about and nobody else was asked", () => {
  assert.deepEqual(complaints, []);
});
