// Consoles in a real browser, against a running lab: DROVER_MACHINE and DROVER_CONTAINER name guests
// that run. Run by tests/integration/test_ui.py.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { accessible, close, complaints, logIn, page, shot, url } from "./browser.mjs";

const machine = process.env.DROVER_MACHINE;
const container = process.env.DROVER_CONTAINER;

after(close);

const terminal = () => page.frameLocator("iframe.console");
/** What a terminal says to who cannot see it; spaces are as they are drawn. */
const said = (text) => terminal().locator(".xterm-accessibility").getByText(text).first();

async function type(text) {
  await terminal().locator(".xterm-helper-textarea").focus();
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** How many points of the screen are lit. */
const lit = () =>
  page.locator(".console canvas").evaluate((c) => {
    const points = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let n = 0;
    for (let i = 0; i < points.length; i += 4) n += points[i] + points[i + 1] + points[i + 2] > 96 ? 1 : 0;
    return n;
  });

async function until(what, check) {
  const end = Date.now() + 60_000;
  while (!(await check())) {
    assert.ok(Date.now() < end, `waited for ${what}`);
    await page.waitForTimeout(100); // between looks
  }
}

test("logging in", logIn);

test("typing into a container's terminal runs a command", { skip: !container }, async () => {
  await page.goto(`${url}/#/${container}/console`);
  await said("#").waitFor();
  await type("echo it-is-$((40 + 2))");
  await said("it-is-42").waitFor();
  await accessible("terminal");
  await shot("terminal");
  await type("exit 0");
  await page.getByText("The console has ended.").waitFor();
  await page.getByRole("button", { name: "Open again" }).click();
  await said("#").waitFor();
});

test("a machine's screen shows what the machine writes on it", async () => {
  await page.goto(`${url}/#/${machine}/console?console=serial`);
  await type("");
  await said("#").waitFor();
  await type("clear >/dev/tty1; echo is-$((1 + 1))");
  await said("is-2").waitFor();
  await page.getByRole("button", { name: "Screen" }).click();
  await page.locator(".console canvas").waitFor();
  await until("the first picture", async () => (await lit()) >= 0);
  const before = await lit();
  await page.getByRole("button", { name: "Serial line" }).click();
  await said("#").waitFor();
  await type("for i in 1 2 3 4 5 6 7 8; do echo DROVER-WRITES-ON-ITS-SCREEN >/dev/tty1; done; echo is-$((2 + 2))");
  await said("is-4").waitFor();
  await page.getByRole("button", { name: "Screen" }).click();
  await page.locator(".console canvas").waitFor();
  await until("what was written", async () => (await lit()) > before + 2000);
  await accessible("screen");
  await shot("screen");
});

test("nothing was complained of", () => assert.deepEqual(complaints, []));
