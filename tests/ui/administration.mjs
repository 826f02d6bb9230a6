// The picture of the pools and its table, many objects at once in the trees and by drag, and the forms of
// administrators, in a real browser against a running lab. Run by tests/integration/test_ui.py, which makes
// the pools "tier" with "tier-a" and "tier-b" in it, and the machines "sel-1" to "sel-3", which are off.
//
// DROVER_POOLS is what the shell's Get-ResourcePool says of them, as JSON.
import assert from "node:assert/strict";
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
  await slice("tier").first().locator(".ring").click({ position: { x: 2, y: 2 }, force: true });
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
  await page.getByRole("menuitem", { name: "Edit settings…" }).click();
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

test("nothing was complained of", () => assert.deepEqual(complaints, []));
