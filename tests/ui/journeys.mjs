// Journeys of a person through the pages, in a real browser, against a running lab. The lab must have
// at least one machine that is on and a template. Run by tests/integration/test_ui.py.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { accessible, act, close, complaints, context, dialog, go, page, password, remove, row, shot, url, user } from "./browser.mjs";

after(close);

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

test("logging in shows how everything stands, live, in every theme", async () => {
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("● live").waitFor();
  await page.getByRole("treeitem").first().waitFor();
  for (const theme of ["light", "dark", "contrast"]) {
    await page.getByLabel("Theme").selectOption(theme);
    await accessible(`overview, ${theme}`, "body", theme === "light" ? [] : ["color-contrast"]);
    await shot(`overview-${theme}`);
  }
  await page.getByLabel("Theme").selectOption("light");
});

test("a machine is made from the page and its task shows", async () => {
  await page.keyboard.press("g");
  await page.keyboard.press("v");
  await page.getByRole("button", { name: "New machine" }).click();
  await dialog().getByLabel("Name").fill("ui-journey");
  await dialog().getByLabel("Power on").check();
  await accessible("new machine", "dialog[open]");
  await dialog().getByRole("button", { name: "Create" }).click();
  await row("ui-journey").waitFor();
  await row("ui-journey").getByText("Powered on").waitFor();
  await page.getByRole("cell", { name: "Create virtual machine" }).first().waitFor();
  await accessible("fleet");
  await shot("fleet");
});

test("each click has its line in the shell", async () => {
  await page.getByRole("tab", { name: /^Commands/ }).click();
  await page.getByText("New-VM ui-journey -Template tiny -PowerOn -ResourcePool cluster1").waitFor();
  await accessible("commands", ".dock");
  await page.getByRole("tab", { name: /^Recent tasks/ }).click();
});

test("a second machine of that name is refused in words", async () => {
  await page.getByRole("button", { name: "New machine" }).click();
  await dialog().getByLabel("Name").fill("ui-journey");
  await dialog().getByRole("button", { name: "Create" }).click();
  await dialog().getByText("ui-journey").waitFor();
  await shot("refused");
  await dialog().getByRole("button", { name: "Cancel" }).click();
  complaints.length = 0; // the browser itself logs the 409
});

test("the filter narrows, says what it does not understand, and is in the address", async () => {
  await page.keyboard.press("/");
  await page.keyboard.type("ui-j* power:on");
  await page.getByText(/^1 of /).waitFor();
  assert.equal(await page.locator("tr[data-vm]").count(), 1);
  await page.reload();
  await page.getByText(/^1 of /).waitFor();
  const box = page.locator("#filter");
  await box.fill("colour:red");
  await page.getByText("“colour:red” is not understood").waitFor();
  await box.fill("");
});

test("the palette goes anywhere and does anything, by keys alone", async () => {
  await page.keyboard.press("Control+k");
  await page.keyboard.type("power off ui-j");
  await page.getByRole("option", { name: "Power off ui-journey" }).waitFor();
  await accessible("palette", "dialog[open]");
  await page.keyboard.press("Enter");
  await dialog().getByText("Stop-VM ui-journey -Kill").waitFor();
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("ui-journey");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "ui-journey", level: 1 }).waitFor();
});

test("a page survives a reload and the browser's back", async () => {
  await page.getByRole("tab", { name: "Configure" }).click();
  await page.getByRole("cell", { name: "disk-0" }).first().waitFor();
  await page.reload();
  await page.getByRole("cell", { name: "disk-0" }).first().waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Guest" }).waitFor();
});

/** Drags the item to the target, sees what is said there, and lets it go. */
async function drag(item, target, verdict) {
  await item.hover();
  await page.mouse.down();
  const box = await target.boundingBox();
  await page.mouse.move(box.x + 60, box.y + 8);
  await page.mouse.move(box.x + 64, box.y + 10, { steps: 4 });
  await page.getByText(verdict).waitFor();
  await shot("drag");
  await page.mouse.up();
}

test("every page of every kind of object loads and is accessible", async () => {
  const ids = await page.evaluate(async () => {
    const out = {};
    for (const kind of ["clusters", "hosts", "vms", "pools", "datastores", "templates", "networks", "datacenters"])
      out[kind] = (await (await fetch(`/api/v1/${kind}?limit=1`)).json()).items[0]?.id;
    return out;
  });
  for (const id of Object.values(ids)) {
    await go(id);
    await page.locator(".page [role=tabpanel] h2").first().waitFor();
    await accessible(id);
    await shot(id);
  }
  for (const tab of ["monitor", "configure", "drs", "ha", "pools", "permissions", "events"]) {
    await go(ids.clusters, tab);
    await page.locator(`.page [role=tab][aria-selected=true][href$="/${tab}"]`).waitFor();
    await page.getByText("Loading…").waitFor({ state: "detached" });
    await accessible(`cluster, ${tab}`);
    await shot(`cluster-${tab}`);
  }
  for (const list of ["hosts", "clusters", "datastores", "networks", "templates", "tasks", "events", "users"]) {
    await go(list);
    await page.locator(".page.list h1").waitFor();
  }
});

test("the inventory is walked by keys, and every object has its menu", async () => {
  await go("hosts");
  await page.getByLabel("Filter the inventory").fill("ui-journey");
  await page.getByRole("treeitem", { name: "ui-journey" }).waitFor();
  assert.equal(await page.getByRole("treeitem").count(), 4, "datacenter, cluster, host, machine");
  await page.getByRole("tree").focus();
  await page.keyboard.press("End");
  await page.keyboard.press("Shift+F10");
  await page.getByRole("menuitem", { name: "Migrate…" }).waitFor();
  await accessible("menu", ".menu");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "ui-journey", level: 1 }).waitFor();
  await page.getByLabel("Filter the inventory").fill("");
});

test("settings: what somebody else changed meanwhile is told, not overwritten", async () => {
  await page.getByRole("button", { name: "Edit settings…" }).first().click();
  await dialog().getByLabel("Notes").fill("mine");
  const id = page.url().match(/vm-\d+/)[0];
  await page.evaluate(async (path) => {
    const csrf = (await (await fetch("/api/v1/sessions/current")).json()).csrf;
    await fetch(path, { method: "PATCH", headers: { "Content-Type": "application/json", "X-Drover-Csrf": csrf }, body: JSON.stringify({ notes: "<b>theirs</b>" }) });
  }, `/api/v1/vms/${id}`);
  await dialog().getByText("changed to <b>theirs</b> by somebody else").waitFor();
  await accessible("edit settings", "dialog[open]");
  await shot("conflict");
  await dialog().getByRole("button", { name: "Take it" }).click();
  await dialog().getByText("by somebody else").waitFor({ state: "detached" });
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("definition").filter({ hasText: "<b>theirs</b>" }).waitFor();
});

test("a tag is given, found by, and taken", async () => {
  await page.evaluate(async () => {
    const csrf = (await (await fetch("/api/v1/sessions/current")).json()).csrf;
    const post = async (path, body) =>
      (await (await fetch(`/api/v1${path}`, { method: "POST", headers: { "Content-Type": "application/json", "X-Drover-Csrf": csrf }, body: JSON.stringify(body) })).json()).id;
    const category = await post("/categories", { name: "Use" });
    for (const name of ["front", "back"]) await post("/tags", { name, category });
  });
  const chips = page.locator(".bar-top .tags a");
  await page.getByRole("button", { name: "Tags…" }).click();
  await dialog().getByLabel("front").click();
  await chips.filter({ hasText: "Use/front" }).waitFor();
  await dialog().getByLabel("back").click();
  await chips.filter({ hasText: "Use/back" }).waitFor();
  assert.equal(await chips.count(), 1, "one of a category that gives one");
  await accessible("tags", "dialog[open]");
  await shot("tags");
  await dialog().getByRole("button", { name: "Close" }).click();
  await chips.first().click();
  await page.getByText(/^1 of /).waitFor();
  assert.equal(await page.locator("#filter").inputValue(), "tag:Use/back");
  await page.goBack();
  await page.getByRole("button", { name: "Tags…" }).click();
  await dialog().getByLabel("back").click();
  await chips.first().waitFor({ state: "detached" });
  await dialog().getByRole("button", { name: "Close" }).click();
});

test("balancing looks, HA tells what would come", async () => {
  await page.getByRole("treeitem", { name: "cluster1" }).click();
  await page.getByRole("tab", { name: "DRS" }).click();
  await page.getByRole("button", { name: "What if?" }).click();
  await page.getByText(/^\d+ of 100$/).first().waitFor();
  await page.getByRole("tab", { name: "HA", exact: true }).click();
  await page.getByRole("group", { name: "What if hosts were lost?" }).getByRole("button").first().click();
  await page.locator(".card", { hasText: "What if hosts were lost?" }).locator("[aria-live]").waitFor();
  await accessible("HA, simulated");
  await shot("ha-simulated");
});

test("maintenance shows its plan first", async () => {
  await page.getByRole("treeitem", { name: "host-1" }).click();
  await page.getByRole("button", { name: "Actions for host-1" }).click();
  await page.getByRole("menuitem", { name: "Enter maintenance mode…" }).click();
  await dialog().getByText("Set-VMHost host-1 -State Maintenance").waitFor();
  await dialog().getByText(/These guests move first|No guest has to move|These cannot leave/).first().waitFor();
  await accessible("maintenance", "dialog[open]");
  await shot("maintenance");
  await dialog().getByRole("button", { name: "Cancel" }).click();
});

test("charts: another counter, another time, as a table", async () => {
  await page.getByRole("tab", { name: "Monitor" }).click();
  await page.getByLabel("Range").selectOption("86400");
  await page.getByLabel("Counter").selectOption("mem.usage.average");
  await page.waitForFunction(() => location.hash.includes("c=mem.usage.average") && location.hash.includes("r=86400"));
  await page.locator(".chart canvas, .card .empty").first().waitFor();
  await accessible("chart");
  await shot("chart");
});

test("a pool is made, gets a machine by drag, and is removed", async () => {
  await page.getByRole("button", { name: "Resource pools" }).click();
  await page.getByRole("treeitem", { name: "Resources" }).click({ button: "right" });
  await page.getByRole("menuitem", { name: "New resource pool…" }).click();
  await dialog().getByLabel("Name").fill("ui <i>pool");
  await dialog().getByLabel("Memory: Reservation (MB)").fill("64");
  await accessible("new pool", "dialog[open]");
  await dialog().getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "ui <i>pool", level: 1 }).waitFor();
  await page.getByText("64 MB").first().waitFor();
  await page.getByLabel("Filter the inventory").fill("ui");
  const guest = page.getByRole("treeitem", { name: "ui-journey" });
  const depth = Number(await guest.getAttribute("aria-level"));
  await drag(guest, page.getByRole("treeitem", { name: "ui <i>pool" }), "ui-journey fits on ui <i>pool");
  await guest.and(page.locator(`[aria-level="${depth + 1}"]`)).waitFor();
  await page.getByLabel("Filter the inventory").fill("");
  await page.getByRole("button", { name: "Actions for ui <i>pool" }).first().click();
  await page.getByRole("menuitem", { name: "Remove" }).click();
  await dialog().getByText("Remove-ResourcePool 'ui <i>pool'").waitFor();
  await dialog().getByRole("button", { name: "Remove" }).click();
  await page.getByRole("heading", { name: "This object is gone" }).waitFor();
  await page.getByRole("button", { name: "Hosts and clusters" }).click();
  await go("vms");
});

test("a container is made of its template, and tells what it uses", { skip: !process.env.DROVER_CONTAINERS }, async () => {
  await page.getByRole("button", { name: "New machine" }).click();
  await dialog().getByLabel("Name", { exact: true }).fill("ui-container");
  await dialog().locator("select[name=template]").selectOption({ label: "busybox (containers)" });
  await dialog().getByLabel("Processes").fill("100");
  await accessible("new container", "dialog[open]");
  await dialog().getByRole("button", { name: "Create" }).click();
  await row("ui-container").getByText("Powered on").waitFor();
  await row("ui-container").click({ button: "right" });
  await page.getByRole("menuitem", { name: "Counters…" }).waitFor();
  assert.equal(await page.getByRole("menuitem", { name: "Snapshots…" }).count(), 0);
  await page.getByRole("menuitem", { name: "Counters…" }).click();
  await dialog().getByRole("cell", { name: "memory", exact: true }).waitFor();
  await accessible("counters", "dialog[open]");
  await dialog().getByRole("button", { name: "Close" }).click();
  await act("ui-container", "Power off");
  await dialog().getByRole("button", { name: "Power off" }).click();
  await row("ui-container").getByText("Powered off").waitFor();
  await remove("ui-container");
});

test("a machine migrates; hosts that cannot take it say why", async () => {
  const here = await row("ui-journey").locator("td").nth(4).textContent();
  await act("ui-journey", "Migrate…");
  await dialog().getByText("already").first().waitFor();
  assert.ok(await dialog().getByLabel(new RegExp(`^${here}`)).isDisabled());
  await accessible("migrate", "dialog[open]");
  await shot("migrate");
  await dialog().locator("input[name=host]:not(:disabled)").first().check();
  await dialog().getByRole("button", { name: "Migrate" }).click();
  await page.getByRole("cell", { name: /done in .* s/ }).first().waitFor();
  await page.waitForFunction(
    (was) => [...document.querySelectorAll("tr[data-vm]")].some((r) => r.textContent.includes("ui-journey") && !r.textContent.includes(was)),
    here,
  );
});

test("a machine is dragged onto a host, which says beforehand whether it fits", async () => {
  const here = await row("ui-journey").locator("td").nth(4).textContent();
  await page.getByLabel("Filter the inventory").fill("host-");
  const target = page.getByRole("treeitem", { name: "host-" }).filter({ hasNotText: here }).first();
  const name = (await target.locator(".name").textContent()).trim();
  await drag(row("ui-journey"), target, `ui-journey fits on ${name}`);
  await page.getByLabel("Filter the inventory").fill("");
  await row("ui-journey").getByRole("link", { name, exact: true }).waitFor();
});

test("a snapshot is taken and deleted", async () => {
  await act("ui-journey", "Snapshots…");
  await dialog().getByLabel("New snapshot").fill("before");
  await dialog().getByRole("button", { name: "Take" }).click();
  await dialog().getByText("current").waitFor();
  await accessible("snapshots", "dialog[open]");
  await shot("snapshots");
  await dialog().getByRole("button", { name: "Delete before" }).click();
  await dialog().getByText("There is none yet.").waitFor();
  await dialog().getByRole("button", { name: "Close" }).click();
});

test("a pattern makes several machines, and a selection acts on all", async () => {
  await page.getByRole("button", { name: "New machine" }).click();
  await dialog().getByLabel("Name").fill("ui-many-{1..2}");
  await dialog().getByLabel("Power on").uncheck();
  await dialog().getByRole("button", { name: "Create" }).click();
  for (const name of ["ui-many-1", "ui-many-2"]) {
    await row(name).getByText("Powered off").waitFor();
    await page.getByLabel(`Select ${name}`).check();
  }
  await page.getByRole("button", { name: "Delete from disk (2)" }).click();
  await dialog().getByRole("button", { name: "Delete from disk" }).click();
  for (const name of ["ui-many-1", "ui-many-2"]) await row(name).waitFor({ state: "detached" });
});

test("a machine that runs is cloned", async () => {
  await act("ui-journey", "Clone…");
  await dialog().getByLabel("Name").fill("ui-clone");
  await accessible("clone", "dialog[open]");
  await shot("clone");
  await dialog().getByRole("button", { name: "Clone" }).click();
  await row("ui-clone").getByText("Powered off").waitFor();
  await row("ui-journey").getByText("Powered on").waitFor();
  await remove("ui-clone");
});

test("a session that ended is taken up again where one was", async () => {
  await act("ui-journey", "Edit settings…");
  await dialog().getByLabel("Notes").fill("kept through the login");
  await context.clearCookies();
  await dialog().getByRole("button", { name: "Save" }).click();
  const again = page.getByRole("dialog", { name: "Log in again" });
  await again.getByLabel("Password").fill(password);
  await accessible("log in again", "dialog[open]");
  await again.getByRole("button", { name: "Log in" }).click();
  await again.waitFor({ state: "detached" });
  assert.equal(await dialog().getByLabel("Notes").inputValue(), "kept through the login");
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().waitFor({ state: "detached" });
  complaints.splice(0, complaints.length, ...complaints.filter((c) => !c.includes("401")));
});

test("a machine is powered off and deleted from its menu", async () => {
  await act("ui-journey", "Power off");
  await dialog().getByRole("button", { name: "Power off" }).click();
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
