// Ten things that administrators do every day, each from the overview, by clicks and by keys: at most
// three clicks or twelve keys, Ctrl and Shift counted as keys, and the page is never loaded anew. Run by
// tests/integration/test_ui.py, which makes what is acted on.
//
// DROVER_SCRIPT=file keeps the script that the last task gives, DROVER_TABLE=file what each task took.
import assert from "node:assert/strict";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { after, test } from "node:test";
import { accessible, close, complaints, context, dialog, go, logIn, page, row, shot, url } from "./browser.mjs";

const MOST = { clicks: 3, keys: 12 };
const SHIFTED = /[A-Z~!@#$%^&*()_+{}|:"<>?]/;

let used = { clicks: 0, keys: 0 };
const table = [];

after(async () => {
  const lines = ["task clicks keys", ...table.map((x) => `${x.task}: ${x.clicks ?? "-"} ${x.keys ?? "-"}`)].join("\n");
  console.log(lines);
  if (process.env.DROVER_TABLE) await writeFile(process.env.DROVER_TABLE, `${lines}\n`);
  await close();
});

async function click(what, options = {}) {
  used.clicks++;
  await what.click(options);
}

/** “Control+k” are two keys. */
async function press(key) {
  used.keys += key.split("+").length;
  await page.keyboard.press(key);
}

async function type(text) {
  for (const c of text) used.keys += SHIFTED.test(c) ? 2 : 1;
  await page.keyboard.type(text);
}

/** Types into the palette, sees that the first answer is the one that is meant, and takes it. */
async function order(text, meant) {
  await press("Control+k");
  await page.getByRole("combobox", { name: "Search" }).and(page.locator(":focus")).waitFor();
  await type(text);
  await page.locator("#found-0", { hasText: meant }).waitFor();
  await press("Enter");
}

/** One way, by="clicks" or "keys", to do the task. */
function way(task, by, run) {
  test(`${task}, by ${by}`, async () => {
    await go("home");
    await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
    await page.evaluate(() => (globalThis.neverLeft = true));
    used = { clicks: 0, keys: 0 };
    await run();
    const line = table.find((x) => x.task === task) ?? { task };
    if (!table.includes(line)) table.push(line);
    line[by] = used[by];
    assert.ok(used[by] <= MOST[by], `${task} takes ${used[by]} ${by}`);
    assert.equal(used[by === "keys" ? "clicks" : "keys"], 0, "one way is not half of the other");
    assert.ok(await page.evaluate(() => globalThis.neverLeft), "the page was loaded anew");
    await shot(`task-${task.replaceAll(" ", "-")}-${by}`);
  });
}

const place = (name) => page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name });
const leaf = (name) => page.getByRole("treeitem", { name });

/** Takes an item of the menu of a guest in the list of all. */
async function choose(name, item) {
  await click(place("Virtual machines"));
  await click(row(name).getByLabel(`Actions for ${name}`));
  await click(page.getByRole("menuitem", { name: item }));
}

/** What a task does not do itself but the next needs. */
const api = (method, path, body) =>
  page.evaluate(
    async ([m, p, b]) => {
      const { csrf } = await (await fetch("/api/v1/sessions/current")).json();
      const headers = { "Content-Type": "application/json", "X-Drover-Csrf": csrf };
      return (await fetch(`/api/v1${p}`, { method: m, headers, ...(b ? { body: JSON.stringify(b) } : {}) })).json();
    },
    [method, path, body],
  );
const find = async (plural, name) => (await api("GET", `/${plural}?limit=1000`)).items.find((o) => o.name === name);

async function isOn(name) {
  await go("vms");
  await row(name).getByText("Powered on").waitFor();
}

test("logging in", logIn);

way("power on", "keys", async () => {
  await order("on 07", "Power on db-07");
  await isOn("db-07");
});
way("power on", "clicks", async () => {
  await choose("db-08", "Power on");
  await isOn("db-08");
});

/** The balancer's own words, without asking further. */
const reason = () => page.locator(".moves details[open]").getByText("a rule says where it must run").first();

way("why did it move", "keys", async () => {
  await order("web-01", "web-01");
  await reason().waitFor();
});
way("why did it move", "clicks", async () => {
  await click(place("Virtual machines"));
  await click(row("web-01").getByRole("link", { name: "web-01", exact: true }));
  await reason().waitFor();
});

/** All three are where the dialog says they go; some may have been there. */
async function moved(go) {
  await dialog().getByRole("button", { name: "Migrate" }).and(page.locator(":focus")).waitFor();
  await dialog().getByText("Migrate 3 machines").waitFor();
  const target = await dialog().locator("input[name=host]:checked").getAttribute("value");
  await go();
  const { name } = await api("GET", `/hosts/${target}`);
  await page.evaluate(() => (location.hash = "#/vms?q=tag:prod"));
  await page.getByText(/^3 of /).waitFor();
  for (const web of ["web-01", "web-02", "web-03"]) await row(web).getByRole("link", { name, exact: true }).waitFor();
}

way("migrate three that are tagged", "keys", async () => {
  await order("m #prod", "Migrate: 3 guests, tag:prod");
  await moved(() => press("Enter"));
});
way("migrate three that are tagged", "clicks", async () => {
  await click(page.getByRole("region", { name: "Tags" }).getByRole("link", { name: "prod" }), { button: "right" });
  await click(page.getByRole("menuitem", { name: "Migrate…" }));
  await moved(() => click(dialog().getByRole("button", { name: "Migrate" })));
});

const plan = () => dialog().getByText(/These guests move first|No guest has to move/);
const agree = () => dialog().getByRole("button", { name: "Enter maintenance mode" });

async function inMaintenance() {
  await leaf("host-2").getByTitle("Maintenance", { exact: true }).waitFor();
  const host = await find("hosts", "host-2");
  await api("DELETE", `/hosts/${host.id}/maintenance`);
  await leaf("host-2").getByTitle("Connected", { exact: true }).waitFor();
}

way("maintenance with its plan", "keys", async () => {
  await order("ma host2", "Enter maintenance mode host-2");
  await plan().waitFor();
  await agree().and(page.locator(":focus")).waitFor();
  await accessible("plan of maintenance", "dialog[open]");
  await press("Enter");
  await inMaintenance();
});
way("maintenance with its plan", "clicks", async () => {
  await click(leaf("host-2"), { button: "right" });
  await click(page.getByRole("menuitem", { name: "Enter maintenance mode" }));
  await plan().waitFor();
  await click(agree());
  await inMaintenance();
});

if (process.env.DROVER_CONTAINERS) {
  const starved = async () => {
    const card = page.getByRole("region", { name: "Who gets less than it wants" });
    await card.locator("p", { hasText: /dev gets .* of CPU time, its guests want/ }).waitFor();
  };
  way("which pool is starved", "keys", async () => {
    await press("g");
    await press("p");
    await starved();
    await accessible("pools");
  });
  way("which pool is starved", "clicks", async () => {
    await click(place("Resource pools"));
    await starved();
  });
}

const verdict = () => page.getByText(/start.? elsewhere|Nobody would have to start/).first();

way("losing two hosts", "keys", async () => {
  await order("if h1 h3", "What if host-1 and host-3 were lost?");
  await verdict().waitFor();
  await accessible("two hosts lost");
});
way("losing two hosts", "clicks", async () => {
  await click(page.locator("main a[href$='/ha']"));
  const hosts = page.getByRole("group", { name: "What if hosts were lost?" });
  await click(hosts.getByRole("button", { name: "host-1" }));
  await click(hosts.getByRole("button", { name: "host-3" }));
  await hosts.getByRole("button", { name: "✕ host-3" }).waitFor();
  await verdict().waitFor();
});

way("a console", "keys", async () => {
  await order("con web1", "Open console web-01");
  await page.locator(".console canvas").waitFor();
});
way("a console", "clicks", async () => {
  await choose("web-02", "Open console");
  await page.locator(".console canvas").waitFor();
});

async function weekOf(run) {
  const [saved] = await Promise.all([page.waitForEvent("download"), run()]);
  assert.equal(saved.suggestedFilename(), "web-01-cpu-week.csv");
  const lines = (await readFile(await saved.path(), "utf8")).trim().split("\n");
  assert.match(lines[0], /time/);
  assert.ok(lines.length > 1, "the file has figures");
  assert.ok(lines.slice(1).every((l) => l.includes("cpu.usage.average")));
}

way("last week's CPU as CSV", "keys", () => weekOf(() => order("csv web1", "Last week's CPU as CSV web-01")));
way("last week's CPU as CSV", "clicks", () => weekOf(() => choose("web-01", "Last week's CPU as CSV")));

way("more reservation for a pool", "keys", async () => {
  const before = (await find("pools", "prod")).mem_reservation_mb;
  await order("prod+8g", "Reserve 8.0 GB more for prod");
  await dialog().getByText(`Set-ResourcePool prod -MemReservationMB ${before + 8192}`).waitFor();
  await press("Enter");
  await dialog().waitFor({ state: "detached" });
  assert.equal((await find("pools", "prod")).mem_reservation_mb, before + 8192);
});

way("the last click as a script", "clicks", async () => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: url });
  await click(page.getByRole("tab", { name: /^Commands/ }));
  await click(page.getByRole("button", { name: /^Copy: / }).first());
  await page.getByText("Copied", { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "Set-ResourcePool prod -MemReservationMB 8192");
});
way("the last click as a script", "keys", async () => {
  const [saved] = await Promise.all([page.waitForEvent("download"), order("script", "as a script")]);
  const path = await saved.path();
  const lines = (await readFile(path, "utf8")).trim().split("\n");
  assert.equal(lines.at(-1), "Set-ResourcePool prod -MemReservationMB 8192");
  assert.ok(lines.includes("Start-VM db-07"), "and all that came before");
  if (process.env.DROVER_SCRIPT) await copyFile(path, process.env.DROVER_SCRIPT);
});

test("nothing was complained of", () => assert.deepEqual(complaints, []));
