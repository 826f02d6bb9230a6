// What the pages cost, without a server: name value unit, a line each.
//
//     node tests/ui/budgets.mjs BUILD/web
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { close, context, page } from "./browser.mjs";
import { invent, ORIGIN, serve } from "./fake.mjs";

const build = process.argv[2];
if (!build) {
  console.error("usage: budgets.mjs FOLDER-OF-THE-PAGES");
  process.exit(2);
}
const STREAM_MS = 10_000;
const TICK_MS = 500;
const say = (name, value, unit, budget) => console.log(`${name} ${Math.round(value * 100) / 100} ${unit} (budget ${budget})`);

/** The first chunk and what it imports before it runs. */
async function firstLoad() {
  const names = await readdir(build);
  const entry = names.find((n) => /^app-.*\.js$/.test(n));
  const wanted = new Set();
  const add = async (name) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    for (const m of (await readFile(join(build, name), "utf8")).matchAll(/from"\.\/(chunk-[^"]+\.js)"/g)) await add(m[1]);
  };
  await add(entry);
  let sum = 0;
  for (const n of wanted) sum += (await stat(join(build, `${n}.gz`))).size;
  const css = names.find((n) => n.endsWith(".css.gz"));
  say("web_first_js_gz", sum / 1024, "KB", 75);
  say("web_css_gz", (await stat(join(build, css))).size / 1024, "KB", 15);
}

async function paint() {
  const fcp = await page.evaluate(
    () => new Promise((done) => new PerformanceObserver((l) => done(l.getEntries()[0].startTime)).observe({ type: "paint", buffered: true })),
  );
  say("web_first_paint", fcp, "ms", 500);
}

/** All guests' figures change again and again; the longest stretch in which the page does not answer. */
async function stream(watch, guests) {
  await page.evaluate(() => {
    globalThis.long = [];
    new PerformanceObserver((l) => globalThis.long.push(...l.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
  });
  for (let at = 0; at < STREAM_MS; at += TICK_MS) {
    const set = {};
    for (let i = 1 + (at / TICK_MS) % 4; i <= guests; i += 4) set[`vm-${i}`] = { cpu_usage_mhz: (i * 7 + at) % 5000 };
    watch.delta(set);
    await page.waitForTimeout(TICK_MS);
  }
  const long = (await page.evaluate(() => globalThis.long)).sort((a, b) => a - b);
  say("web_stream_long_tasks", long.length, `of ${STREAM_MS / TICK_MS}`, 1);
  say("web_stream_longest_task", long.at(-1) ?? 0, "ms", 50);
}

/** Frames a second of the heat map while guests move. */
async function frames() {
  await page.evaluate((hash) => (location.hash = hash), "#/cluster-1/heat");
  await page.locator(".heat canvas").waitFor();
  const fps = await page.evaluate(
    () =>
      new Promise((done) => {
        const start = performance.now();
        let n = 0;
        const count = (now) => (now - start > 3000 ? done((1000 * n) / (now - start)) : (n++, requestAnimationFrame(count)));
        requestAnimationFrame(count);
      }),
  );
  say("web_heat_frames", fps, "1/s", 60);
}

async function heap() {
  const cdp = await context.newCDPSession(page);
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  say("web_heap", usedSize / 1048576, "MB", 60);
}

try {
  await firstLoad();
  const guests = 2000;
  let watch = await serve(page, build, invent(32, guests));
  await page.goto(`${ORIGIN}/#/vms`);
  await page.locator("tr[data-vm]").first().waitFor();
  await paint();
  await stream(watch, guests);
  await heap();
  await page.unrouteAll();
  watch = await serve(page, build, invent(64, 5000));
  await page.goto(`${ORIGIN}/#/home`);
  await page.reload();
  await page.getByText("● live").waitFor();
  const moves = {};
  for (let i = 1; i <= 50; i++)
    moves[`task-${i}`] = { id: `task-${i}`, kind: "task", name: "Migrate", op: "vm.migrate", entity: `vm-${i}`, entity_name: `web-${i}`, state: "running", progress: i, result: null, created_at: "2026-01-01T00:00:00.000Z" };
  watch.delta(moves, [], "tasks");
  await frames();
} finally {
  await close();
}
