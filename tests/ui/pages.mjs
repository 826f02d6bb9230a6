// Every page, tab and dialog, in every theme: no serious fault of accessibility, nothing that is wider than
// the screen, also on a phone, nothing in the console, nobody else asked. Without a server.
//
//     DROVER_WEB=BUILD/web node --test tests/ui/pages.mjs
//
// SHOTS=folder keeps a picture of each in each theme.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, close, complaints, dialog, go, page, shot } from "./browser.mjs";
import { ORIGIN, serve } from "./fake.mjs";
import { furnish, others, tell } from "./furnished.mjs";

const objects = {
  "dc-1": ["summary", "vms"],
  "folder-1": ["summary", "vms"],
  "cluster-1": ["summary", "monitor", "configure", "drs", "ha", "heat", "hosts", "vms", "pools"],
  "host-1": ["summary", "monitor", "vms", "datastores"],
  "host-3": ["summary"],
  "vm-1": ["summary", "monitor", "configure", "console", "permissions", "tasks", "events"],
  "vm-2": ["summary", "console"],
  "pool-2": ["summary", "monitor", "pools", "vms"],
  "datastore-1": ["summary", "monitor", "vms"],
  "network-1": ["summary", "vms"],
  "template-1": ["summary", "vms"],
};
const lists = ["home", "vms", "hosts", "clusters", "pools", "datastores", "networks", "templates", "tasks", "events", "alarms", "tags", "users"];
const nothing = ["vm-999", "no-such-page", "vms?q=name:nothing"];
/** The dialogs that menus of objects open, by what they are called there. */
const dialogs = {
  "vm-1": ["Edit settings…", "Migrate…", "Snapshots…", "Clone…", "Tags…", "Power off"],
  "host-1": ["Enter maintenance mode…", "Tags…"],
  "cluster-1": ["New machine…", "New resource pool…", "Add host…", "New rule…", "Settings…", "Rename…"],
  "pool-2": ["Edit settings…", "Remove"],
  "template-1": ["Edit settings…"],
  "dc-1": ["New folder…"],
};
const SCREEN = { width: 1280, height: 720 };
const PHONE = { width: 390, height: 844 };
const THEMES = ["light", "dark", "contrast"];

before(async () => {
  const watch = await serve(page, process.env.DROVER_WEB, furnish(), tell);
  watch.others = others;
  await page.setViewportSize(SCREEN);
  await page.goto(`${ORIGIN}/#/home`);
  await page.getByText("● live").waitFor();
});
after(close);

/** As a hand would, which a dialog over the page keeps from it. */
function choose(theme) {
  const select = [...document.querySelectorAll("header select")].find((s) => [...s.options].some((o) => o.value === theme));
  select.value = theme;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

/** A theme is a colour for each token: what is not about colours is the same in all. */
async function inEveryTheme(name, part) {
  for (const theme of THEMES) {
    await page.evaluate(choose, theme);
    await accessible(`${name}, ${theme}`, part, theme === THEMES[0] ? [] : ["color-contrast"]);
    await shot(`${name.replaceAll("/", "-")}-${theme}`);
  }
  await page.evaluate(choose, THEMES[0]);
}

const wider = () =>
  page.evaluate(() => {
    const all = [...document.querySelectorAll("main *, header *, dialog[open] *")];
    const scrolls = (e) => e && (/auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    const out = all.filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && e.getBoundingClientRect().width > 1 && !scrolls(e.parentElement));
    return document.documentElement.scrollWidth > innerWidth ? out.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)) : [];
  });

async function settled() {
  await page.locator(".page h1, .page h2, .page .empty").first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".page .late"));
}

async function fits(name) {
  assert.deepEqual(await wider(), [], `${name} is wider than the screen`);
}

for (const [id, tabs] of Object.entries(objects))
  for (const tab of tabs)
    test(`${id}, ${tab}`, async () => {
      await go(id, tab);
      await page.locator(`.page [role=tab][aria-selected=true][href$="/${tab}"]`).or(page.locator(".page [role=tabpanel]")).first().waitFor();
      await settled();
      await inEveryTheme(`${id}/${tab}`, "main");
      await fits(`${id}/${tab}`);
    });

for (const place of [...lists, ...nothing])
  test(`page ${place}`, async () => {
    await go(place);
    await settled();
    await inEveryTheme(`page/${place.replace("?", "-")}`, "body");
    await fits(place);
  });

for (const [id, names] of Object.entries(dialogs))
  for (const name of names)
    test(`dialog ${name} of ${id}`, async () => {
      await go(id);
      await settled();
      await page.locator(".page").getByLabel(/^Actions for /).first().click();
      await page.getByRole("menuitem", { name, exact: true }).click();
      await dialog().waitFor();
      await page.getByText("Looking…").waitFor({ state: "detached" });
      await inEveryTheme(`dialog/${id}/${name.replace(/\W+/g, "-")}`, "dialog[open]");
      await fits(name);
      await page.keyboard.press("Escape");
      await dialog().waitFor({ state: "detached" });
    });

test("the palette, the keys and the dock", async () => {
  await page.keyboard.press("Control+k");
  await page.keyboard.type("web");
  await dialog().getByRole("option").first().waitFor();
  await inEveryTheme("palette", "dialog[open]");
  await page.keyboard.press("Escape");
  await page.getByLabel("Keyboard shortcuts").click();
  await dialog().waitFor();
  await inEveryTheme("help", "dialog[open]");
  await page.keyboard.press("Escape");
  for (const tab of ["Alarms", "Events", "Commands", "Recent tasks"]) {
    await page.locator(".dock").getByRole("tab", { name: new RegExp(`^${tab}`) }).click();
    await inEveryTheme(`dock/${tab}`, ".dock");
  }
});

test("what is read fits on a phone", async () => {
  await page.setViewportSize(PHONE);
  for (const [id, tabs] of Object.entries(objects))
    for (const tab of tabs) {
      await go(id, tab);
      await settled();
      await fits(`${id}/${tab} on a phone`);
    }
  for (const place of [...lists, ...nothing]) {
    await go(place);
    await settled();
    await fits(`${place} on a phone`);
    await shot(`phone-${place.replace("?", "-")}`);
  }
  await go("vm-1");
  await settled();
  await accessible("on a phone", "body");
  await shot("phone-vm");
  await page.setViewportSize(SCREEN);
});

test("nothing was complained about and nobody else was asked", () => {
  assert.deepEqual(complaints, []);
});
