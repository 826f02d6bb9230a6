// A browser on the pages of a running lab, and the words that the journeys share.
//
// DROVER_URL, DROVER_USER, DROVER_PASSWORD say where; SHOTS=folder keeps a picture of each step.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(new URL("../../web-ui/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const axeSource = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const WAIT = Number(process.env.DROVER_UI_WAIT_MS ?? 60_000);

export const url = process.env.DROVER_URL;
export const user = process.env.DROVER_USER;
export const password = process.env.DROVER_PASSWORD;

const profile = await mkdtemp(join(tmpdir(), "drover-ui-"));
export const context = await chromium.launchPersistentContext(profile, {
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

/** What the console or a request to elsewhere gave to complain about. */
export const complaints = [];
export const page = await context.newPage();
page.setDefaultTimeout(WAIT);
page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
page.on("pageerror", (e) => complaints.push(String(e)));
page.on("request", (r) => {
  if (!r.url().startsWith(url) && !/^(data|blob):/.test(r.url())) complaints.push(`asked ${r.url()}`);
});

export async function close() {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}

export async function logIn() {
  await page.goto(url);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("● live").waitFor();
  complaints.length = 0; // the browser itself logs that nobody was logged in
}

export async function shot(name) {
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
}

/**
 * No serious fault of accessibility in the part of the page that the selector names; what is around it
 * was looked at with the first page. The page's CSP forbids injected scripts, so axe goes in by CDP.
 */
export async function accessible(name, part = "main", rules = []) {
  const cdp = await context.newCDPSession(page);
  await cdp.send("Runtime.evaluate", { expression: `if (!globalThis.axe) { ${axeSource} }` });
  const options = { resultTypes: ["violations"], preload: false, ...(rules.length ? { runOnly: rules } : {}) };
  const { result } = await cdp.send("Runtime.evaluate", {
    expression: `axe.run(${JSON.stringify(part)}, ${JSON.stringify(options)}).then(r => JSON.stringify(r.violations.map(v => [v.impact, v.id, v.nodes[0].html])))`,
    awaitPromise: true,
    returnByValue: true,
  });
  await cdp.detach();
  const bad = JSON.parse(result.value).filter(([impact]) => ["serious", "critical"].includes(impact));
  assert.deepEqual(bad, [], `${name} is not accessible`);
}

/** Another page without a load: what is shown comes from what is there. */
export async function go(place, tab = "") {
  await page.evaluate((hash) => (location.hash = hash), `#/${place}${tab ? `/${tab}` : ""}`);
}

export const row = (name) => page.locator("tr[data-vm]", { has: page.getByRole("link", { name, exact: true }) });
export const dialog = () => page.getByRole("dialog");

/** Choose from the menu of a row of the fleet list. */
export async function act(name, item) {
  await row(name).getByLabel(`Actions for ${name}`).click();
  await page.getByRole("menu").getByRole("menuitem", { name: item, exact: true }).click();
}

export async function remove(name) {
  await act(name, "Delete from disk");
  await dialog().getByRole("button", { name: "Delete from disk" }).click();
  await row(name).waitFor({ state: "detached" });
}
