// The picture of the pools and its table, many objects at once in the trees and by drag, and the forms of
// administrators, in a real browser against a running lab. Run by tests/integration/test_ui.py, which makes
// the pools "tier" with "tier-a" and "tier-b" in it, and the machines "sel-1" to "sel-3", which are off.
//
// DROVER_POOLS is what the shell's Get-ResourcePool says of them, as JSON.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { accessible, close, complaints, dialog, go, logIn, page, shot } from "./browser.mjs";

after(close);

const poolRow = (name) => page.locator("tr[data-pool]", { has: page.getByRole("link", { name, exact: true }) });
const picture = () => page.locator("svg.sunburst");
const slice = (name) => picture().locator(".part", { has: page.locator("title", { hasText: `${name}: ` }) });

test("logging in", logIn);

test("pools are a picture and a table of the same", async () => {
  await go("pools");
  await poolRow("tier-a").waitFor();
  await slice("tier-a").waitFor();
  for (const theme of ["light", "dark", "contrast"]) {
    await page.getByLabel("Theme").selectOption(theme);
    await accessible(`pools, ${theme}`, "main", theme === "light" ? [] : ["color-contrast"]);
    await shot(`pools-${theme}`);
  }
  await page.getByLabel("Theme").selectOption("light");
});

test("the table says what the shell says", async () => {
  const told = JSON.parse(process.env.DROVER_POOLS).filter((p) => !p.IsRoot);
  assert.ok(told.length >= 3);
  for (const p of told) {
    const shown = await page.locator(`tr[data-pool="${p.Id}"]`).evaluate((tr) => {
      const cell = (i) => {
        const td = tr.children[i];
        return td.querySelector("data") ? Number(td.querySelector("data").value) : td.textContent.trim();
      };
      return { cpu: [cell(2), cell(4), cell(6), cell(7)], memory: [cell(9), cell(11), cell(12), cell(13)], level: tr.ariaLevel };
    });
    const limit = (n) => (n === null || n < 0 ? "unlimited" : n);
    const yes = (b) => (b ? "yes" : "no");
    const shares = (level, n) => `${level} ${n}`;
    assert.deepEqual(
      [shown.cpu, shown.memory],
      [
        [p.CpuReservationMhz, limit(p.CpuLimitMhz), shares(p.CpuSharesLevel, p.NumCpuShares), yes(p.CpuExpandableReservation)],
        [p.MemReservationMB, limit(p.MemLimitMB), shares(p.MemSharesLevel, p.NumMemShares), yes(p.MemExpandableReservation)],
      ],
      p.Name,
    );
  }
});

test("one pool is looked at alone, and the address knows", async () => {
  // Wherever its numbers put it: the middle of a ring's box may be another's.
  await slice("tier").first().locator(".ring").dispatchEvent("click");
  await page.getByRole("navigation", { name: "Pools above" }).getByText("tier", { exact: true }).waitFor();
  assert.match(page.url(), /zoom=pool-/);
  assert.equal(await page.locator("tr[data-pool]").count(), 3);
  await page.getByRole("group", { name: "Angle" }).getByRole("button", { name: "Usage" }).click();
  await page.getByRole("group", { name: "Resource" }).getByRole("button", { name: "Memory" }).click();
  assert.match(page.url(), /by=usage/);
  await page.reload();
  await page.getByText("● live").waitFor();
  assert.equal(await page.locator("tr[data-pool]").count(), 3);
  await page.getByRole("navigation", { name: "Pools above" }).getByRole("button", { name: "Resources" }).click();
  await poolRow("Resources").waitFor();
});

test("keys walk the pools, close and open them, and open the editor", async () => {
  await poolRow("Resources").focus();
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  assert.equal(await poolRow("Resources").and(page.locator(":focus")).count(), 1);
  await page.keyboard.press("ArrowLeft");
  await poolRow("tier").waitFor({ state: "detached" });
  assert.equal(await poolRow("Resources").getAttribute("aria-expanded"), "false");
  await page.keyboard.press("ArrowRight");
  await poolRow("tier").focus();
  await page.keyboard.press("Shift+F10");
  await page.getByRole("menuitem", { name: "Edit settings…" }).waitFor();
  await page.keyboard.press("Escape");
  await poolRow("tier").focus();
  await page.keyboard.press("F2");
  const field = dialog().getByLabel("CPU: Reservation (MHz)");
  const more = String(Number(await field.inputValue()) + 7);
  await field.fill(more);
  await dialog().getByText(`Set-ResourcePool tier -CpuReservationMhz ${more}`).waitFor();
  await dialog().getByRole("button", { name: "Save" }).click();
  await poolRow("tier").locator(`data[value="${more}"]`).first().waitFor();
});

const leaf = (name) => page.getByRole("treeitem", { name, exact: true });
const several = () => page.locator(".several strong");

test("Ctrl and Shift choose many in a tree, and one menu acts on all", async () => {
  await go("hosts");
  await page.getByRole("button", { name: "VMs and folders" }).click();
  await page.getByLabel("Filter the inventory").fill("sel-");
  await leaf(/sel-1$/).click();
  await page.getByRole("heading", { name: "sel-1", level: 1 }).waitFor();
  await leaf(/sel-3$/).click({ modifiers: ["Shift"] });
  await several().getByText("3 selected").waitFor();
  assert.equal(await page.locator("[role=treeitem][aria-selected=true]").count(), 3);
  assert.equal(await page.getByRole("tree").getAttribute("aria-multiselectable"), "true");
  await page.getByRole("heading", { name: "sel-1", level: 1 }).waitFor();
  await leaf(/sel-2$/).click({ modifiers: ["Control"] });
  await several().getByText("2 selected").waitFor();
  await accessible("several chosen", ".inventory");
  await leaf(/sel-3$/).click({ button: "right" });
  await page.getByRole("menuitem", { name: "Migrate…" }).click();
  await dialog().getByText("Migrate 2 machines").waitFor();
  await dialog().getByRole("button", { name: "Cancel" }).click();
});

test("keys choose many, too", async () => {
  await page.getByRole("tree").focus();
  await page.keyboard.press("Escape");
  await several().waitFor({ state: "detached" });
  await page.keyboard.press("End");
  await page.keyboard.press("Shift+ArrowUp");
  await several().getByText("2 selected").waitFor();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Space");
  await several().getByText("3 selected").waitFor();
  await page.keyboard.press("Shift+F10");
  await page.getByRole("menuitem", { name: "Power on", exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Clear the selection" }).click();
  await several().waitFor({ state: "detached" });
});

const picked = (name) => page.locator("tr[data-vm]", { has: page.getByRole("link", { name, exact: true }) });

async function carry(item, target, said) {
  await item.hover();
  await page.mouse.down();
  const box = await target.boundingBox();
  await page.mouse.move(box.x + 60, box.y + 8);
  await page.mouse.move(box.x + 64, box.y + 10, { steps: 4 });
  await page.locator(".bubble").getByText(said).waitFor();
}

test("several are dragged at once; each obstacle is told where they hover", async () => {
  await page.getByLabel("Filter the inventory").fill("");
  await go("vms");
  await page.locator("#filter").fill("sel-*");
  await page.getByText(/^3 of /).waitFor();
  await page.getByLabel("Select all shown").check();
  await page.getByRole("button", { name: "Resource pools" }).click();
  await page.getByLabel("Filter the inventory").fill("tier-a");
  await carry(picked("sel-2"), leaf(/tier-a$/), "All 3 fit on tier-a");
  await shot("drag-several");
  await page.mouse.up();
  await page.getByRole("tab", { name: /^Commands/ }).click();
  for (const name of ["sel-1", "sel-2", "sel-3"]) await page.getByText(`Move-VM ${name} -Destination tier-a`).waitFor();
  await carry(picked("sel-2"), leaf(/tier-a$/), "None of 3 can go to tier-a");
  for (const name of ["sel-1", "sel-2", "sel-3"]) await page.locator(".bubble li").getByText(`${name}: is there already`).waitFor();
  await page.keyboard.press("Escape");
  await page.mouse.up();
  await page.getByLabel("Filter the inventory").fill("");
});

const command = (line) => page.locator(".commands").getByText(line, { exact: true }).first().waitFor();
const button = (name) => page.getByRole("button", { name, exact: true });

test("an account is made, changed and removed, and its password is in no line", async () => {
  await go("users", "accounts");
  await page.getByRole("tab", { name: /^Commands/ }).click();
  await button("New user…").click();
  await dialog().getByLabel("Name").fill("ui-ann");
  await dialog().getByLabel("Password").fill("seven words, none of them short");
  await dialog().getByLabel("Role").selectOption("operator");
  await accessible("new account", "dialog[open]");
  await dialog().getByRole("button", { name: "Create" }).click();
  await command("New-VIAccount ui-ann -Role Operator -Password (Read-Host password -AsSecureString)");
  await page.locator("tr[data-user=ui-ann]").waitFor();
  await page.getByLabel("Role of ui-ann").selectOption("read_only");
  await command("Set-VIAccount ui-ann -Role ReadOnly");
  await page.getByLabel("ui-ann may log in").click();
  await command("Set-VIAccount ui-ann -Enabled $false");
  await button("Password… ui-ann").click();
  await dialog().getByLabel("Password").fill("another one, as long as that");
  await dialog().getByRole("button", { name: "Save" }).click();
  await command("Set-VIAccount ui-ann -Password (Read-Host password -AsSecureString)");
  await accessible("accounts");
  await shot("accounts");
  await button("Remove ui-ann").click();
  await dialog().getByRole("button", { name: "Remove" }).click();
  await page.locator("tr[data-user=ui-ann]").waitFor({ state: "detached" });
  assert.equal(await page.getByText("another one, as long as that").count(), 0);
});

test("roles say what each may", async () => {
  await go("users", "roles");
  await page.getByLabel("Filter the privileges").fill("remove a user");
  assert.deepEqual(await page.locator("table.roles tbody tr td .hidden").allTextContents(), ["no", "no", "no", "yes"]);
  await accessible("roles");
});

test("a token is shown once and revoked, and sessions are listed", async () => {
  await go("users", "tokens");
  await button("New token…").click();
  await dialog().getByLabel("What it is for").fill("ui-token");
  await dialog().getByLabel("The most that it may").selectOption("metrics");
  await dialog().getByRole("button", { name: "Create" }).click();
  await dialog().getByText("It is shown once").waitFor();
  assert.match(await dialog().locator("[data-token]").textContent(), /^[0-9a-f]{64}$/);
  await dialog().getByRole("button", { name: "Close" }).click();
  await command("New-ApiToken ui-token -Days 90 -Role Metrics");
  await button("Revoke ui-token").click();
  await button("Revoke ui-token").waitFor({ state: "detached" });
  await go("users", "sessions");
  await page.getByText("this one").waitFor();
  await accessible("sessions");
});

test("an alarm is defined, tried on the past, changed and removed", async () => {
  await go("alarms");
  await button("New definition…").click();
  await dialog().getByLabel("Name", { exact: true }).fill("ui-busy");
  await dialog().getByLabel("Counter", { exact: true }).fill("cpu.usage.average");
  await dialog().getByRole("textbox", { name: "Alert", exact: true }).fill("95");
  await button("How often would it have been raised?").click();
  await dialog().getByText(/It would have been raised \d+ times? in the last week, on \d+ of \d+ objects?\.$/).waitFor();
  await button("One more condition").click();
  await dialog().getByRole("group", { name: "Condition 2" }).getByLabel("Type").selectOption("events");
  await dialog().getByLabel("Events for “Alert”").fill("VmDiedEvent, VmStalledEvent");
  await button("One more action").click();
  await dialog().getByRole("group", { name: "Action 1" }).getByLabel("Type").selectOption("event");
  await dialog().getByLabel("Message").fill("look at it");
  await accessible("new definition", "dialog[open]");
  await shot("alarm-definition");
  await dialog().getByRole("button", { name: "Create" }).click();
  const defined = page.locator("tr[data-alarmdef=ui-busy]");
  await defined.getByText("VmDiedEvent, VmStalledEvent: red").waitFor();
  await accessible("definitions");
  await button("Edit settings… ui-busy").click();
  await dialog().getByRole("textbox", { name: "Alert", exact: true }).fill("99");
  await dialog().getByRole("button", { name: "Save" }).click();
  await defined.getByText("75: yellow, 99: red").waitFor();
  await button("Edit settings… ui-busy").click();
  await dialog().getByRole("textbox", { name: "Alert", exact: true }).fill("much");
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().getByText("wants a number").waitFor();
  await dialog().getByRole("button", { name: "Cancel" }).click();
  complaints.length = 0; // the browser itself logs the 400
  await button("Remove ui-busy").click();
  await dialog().getByRole("button", { name: "Remove" }).click();
  await defined.waitFor({ state: "detached" });
});

test("tags are made and given to several objects of several kinds", async () => {
  await go("tags");
  await button("New category…").click();
  await dialog().getByLabel("Name").fill("ui-cat");
  await dialog().getByRole("button", { name: "Create" }).click();
  await button("New tag… ui-cat").click();
  await dialog().getByLabel("Name").fill("ui-tag");
  await dialog().getByRole("button", { name: "Create" }).click();
  await button("Give… ui-cat/ui-tag").click();
  await dialog().getByLabel("Filter the inventory").fill("sel-");
  for (const name of ["sel-1", "sel-3"]) await dialog().getByLabel(new RegExp(`^\\s*${name} `)).check();
  await dialog().getByLabel("Filter the inventory").fill("tier-b");
  await dialog().getByLabel(/^\s*tier-b /).check();
  await dialog().getByText("New-TagAssignment ui-tag sel-1,sel-3,tier-b").waitFor();
  await accessible("give a tag", "dialog[open]");
  await dialog().getByRole("button", { name: "Save" }).click();
  const tag = page.locator("tr[data-tag=ui-tag]");
  await tag.getByRole("link", { name: "tier-b" }).waitFor();
  assert.equal(await tag.getByRole("link").count(), 3);
  await accessible("tags");
  await shot("tag-page");
  await button("Give… ui-cat/ui-tag").click();
  await dialog().getByLabel(/^\s*sel-1 /).uncheck();
  await dialog().getByRole("button", { name: "Save" }).click();
  await tag.getByRole("link", { name: "sel-1" }).waitFor({ state: "detached" });
  await button("Remove ui-cat").click();
  await dialog().getByRole("button", { name: "Remove" }).click();
  await tag.waitFor({ state: "detached" });
  await command("Remove-TagCategory ui-cat");
});

test("a task is found, tells its command, and is run again", async () => {
  await go("vms");
  await page.locator("#filter").fill("sel-1");
  await page.getByText(/^1 of /).waitFor();
  await page.getByLabel("Actions for sel-1", { exact: true }).first().click();
  await page.getByRole("menuitem", { name: "Edit settings…" }).click();
  await dialog().getByLabel("Notes").fill("run me again");
  await dialog().getByRole("button", { name: "Save" }).click();
  await dialog().waitFor({ state: "detached" });
  await go("tasks");
  await page.locator("#filter").fill("sel-1 admin");
  await page.getByLabel("State").selectOption("success");
  await accessible("tasks");
  const rows = page.locator("main tbody tr");
  const before = await rows.count();
  await rows.first().getByRole("button").first().click();
  await dialog().getByText("Set-VM sel-1 -Notes 'run me again'").waitFor();
  await dialog().getByRole("button", { name: "Run again" }).click();
  await dialog().waitFor({ state: "detached" });
  await page.waitForFunction((n) => document.querySelectorAll("main tbody tr").length === n + 1, before);
});

test("events are narrowed by what happened and who caused it", async () => {
  await go("events");
  await page.locator("#filter").fill("Vm*");
  await page.getByLabel("Who caused it").fill("admin");
  await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll("main tbody tr")];
    return rows.length > 0 && rows.every((r) => r.children[4].textContent.startsWith("Vm") && r.children[3].textContent === "admin");
  });
  assert.match(page.url(), /types=Vm\*&user=admin/);
  await accessible("events");
});

test("a list has the columns, order and groups that one wants, and keeps them under a name", async () => {
  await go("vms");
  await page.locator("#filter").fill("sel-*");
  await page.getByText("Columns", { exact: true }).click();
  await page.getByLabel("Resource pool", { exact: true }).or(page.getByLabel("Pool", { exact: true })).check();
  await page.getByLabel("Address", { exact: true }).uncheck();
  await page.getByLabel("Group by").selectOption("host");
  await page.keyboard.press("Escape");
  await page.getByRole("columnheader", { name: "Pool" }).waitFor();
  assert.equal(await page.getByRole("columnheader", { name: "Address" }).count(), 0);
  await page.locator("tr.group").first().waitFor();
  await page.getByRole("columnheader", { name: "Name" }).getByRole("button").click();
  assert.match(page.url(), /q=sel-.*sort=-name|sort=-name.*q=sel-/);
  await page.getByText("Views", { exact: true }).click();
  await page.getByLabel("Name of this view").fill("ui-view");
  await accessible("views", "main");
  await page.getByRole("button", { name: "Keep" }).click();
  await page.getByText("View: ui-view").waitFor();
  await shot("views");
  await go("vms");
  await page.getByText(/^[1-9]\d* of /).waitFor();
  await page.reload();
  await page.getByText("● live").waitFor();
  await page.getByText("Views", { exact: true }).click();
  await page.getByRole("button", { name: "ui-view", exact: true }).click();
  await page.getByText(/^3 of /).waitFor();
  await page.locator("tr.group").first().getByRole("button").click();
  await page.locator("tr.group [aria-expanded=false]").waitFor();
  await page.getByText("Export", { exact: true }).click();
  const [saved] = await Promise.all([page.waitForEvent("download"), button("Export JSON").click()]);
  const kept = JSON.parse(await readFile(await saved.path(), "utf8"));
  assert.deepEqual(kept.map((vm) => vm.name).sort(), ["sel-1", "sel-2", "sel-3"]);
  await page.getByText("View: ui-view").click();
  await page.getByRole("button", { name: "Forget the view ui-view" }).click();
  await page.getByText("None is kept yet").waitFor();
});

test("nothing was complained of", () => assert.deepEqual(complaints, []));
