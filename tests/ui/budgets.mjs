// What the pages cost, without a server: name value unit, a line each.
//
//     node tests/ui/budgets.mjs BUILD/web
//
// DROVER_SOAK_S=600 walks through the pages for so long besides, after a minute to warm up, while guests
// change, come and go, and tells how the heap grows.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { close, context, page } from "./browser.mjs";
import { invent } from "./fake.mjs";
import { listen } from "./origin.mjs";

const build = process.argv[2];
if (!build) {
  console.error("usage: budgets.mjs FOLDER-OF-THE-PAGES");
  process.exit(2);
}
const STREAM_MS = 10_000;
const TICK_MS = 500;
const SLOWER = 4;
const LOADS = 5;
const WARM_MS = 60_000;
const SOAK_S = Number(process.env.DROVER_SOAK_S ?? 0);
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
    globalThis.looker = new PerformanceObserver((l) => globalThis.long.push(...l.getEntries().map((e) => e.duration)));
    globalThis.looker.observe({ type: "longtask" });
  });
  for (let at = 0; at < STREAM_MS; at += TICK_MS) {
    const set = {};
    for (let i = 1 + (at / TICK_MS) % 4; i <= guests; i += 4) set[`vm-${i}`] = { cpu_usage_mhz: (i * 7 + at) % 5000 };
    watch.delta(set);
    await page.waitForTimeout(TICK_MS);
  }
  const long = (await page.evaluate(() => (globalThis.looker.disconnect(), globalThis.long))).sort((a, b) => a - b);
  say("web_stream_long_tasks", long.length, `of ${STREAM_MS / TICK_MS}`, 1);
  say("web_stream_longest_task", long.at(-1) ?? 0, "ms", 50);
}

/** Guests under way to the next host, each as far as its number. */
function moves(n) {
  const set = {};
  for (let i = 1; i <= n; i++)
    set[`task-${i}`] = {
      id: `task-${i}`, kind: "task", name: "Migrate", op: "vm.migrate", entity: `vm-${i}`, entity_name: `web-${i}`, to_host: `host-${i + 2}`, state: "running",
      progress: i, result: null, created_at: "2026-01-01T00:00:00.000Z",
    };
  return set;
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
  await cdp.detach();
  return usedSize / 1048576;
}

/**
 * The same once more at full speed: what the pages' own thread computed until then, which is the same on a
 * machine that has other things to do. On one that is slower it takes so much longer.
 */
async function computed() {
  const cdp = await context.newCDPSession(page);
  const took = [];
  await page.evaluate(() => sessionStorage.setItem("measured", "yes"));
  for (let i = 0; i < LOADS; i++) {
    const events = [];
    const gather = (e) => events.push(...e.value);
    cdp.on("Tracing.dataCollected", gather);
    await cdp.send("Network.clearBrowserCache");
    await cdp.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["devtools.timeline", "toplevel"] } });
    await page.reload();
    await page.waitForFunction(() => globalThis.answered !== undefined);
    const ended = new Promise((done) => cdp.once("Tracing.tracingComplete", done));
    await cdp.send("Tracing.end");
    await ended;
    cdp.off("Tracing.dataCollected", gather);
    const { pid, tid } = events.find((e) => e.name === "v8.evaluateModule");
    const mine = events.filter((e) => e.name === "ThreadControllerImpl::RunTask" && e.pid === pid && e.tid === tid);
    took.push(mine.reduce((sum, e) => sum + (e.tdur ?? 0) / 1000, 0));
  }
  await cdp.detach();
  await page.evaluate(() => sessionStorage.removeItem("measured"));
  say("web_interactive_computed", middle(took), "ms", 1000 / SLOWER);
}

const middle = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];

/**
 * From the address, nothing of it in the cache, until the list of all guests is there and a key has been
 * answered, on a slow machine; the middle of several loads.
 */
async function interactive() {
  const cdp = await context.newCDPSession(page);
  const took = [];
  let shifted = 0;
  await page.evaluate(() => sessionStorage.setItem("measured", "yes"));
  for (let i = 0; i < LOADS; i++) {
    await cdp.send("Network.clearBrowserCache");
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: SLOWER });
    await page.reload();
    await page.waitForFunction(() => globalThis.answered !== undefined);
    const { answered, shift } = await page.evaluate(() => ({ answered: globalThis.answered, shift: globalThis.shift }));
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: 1 });
    took.push(answered);
    shifted = Math.max(shifted, shift);
  }
  await cdp.detach();
  await page.evaluate(() => sessionStorage.removeItem("measured"));
  say(`web_interactive_${SLOWER}x`, middle(took), "ms", 1000);
  say(`web_interactive_${SLOWER}x_worst`, took.at(-1), "ms", 1000);
  say("web_layout_shift", shifted, "score", 0.02);
}

/** In the page, from its first moment: when the palette has opened after rows were there. */
function watchForAnswer() {
  if (!globalThis.sessionStorage?.getItem("measured")) return;
  globalThis.shift = 0;
  new PerformanceObserver((l) => {
    for (const e of l.getEntries()) globalThis.shift += e.value;
  }).observe({ type: "layout-shift", buffered: true });
  let pressed = false;
  const look = () => {
    if (pressed && document.querySelector("dialog[open] .query")) {
      globalThis.answered = performance.now();
      return;
    }
    if (!pressed && document.querySelector("tr[data-vm]")) {
      pressed = true;
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true, bubbles: true }));
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

const ROUND = ["vms", "home", "cluster-1/heat", "host-1", "vm-1", "vm-1/monitor", "pools", "tasks", "events", "cluster-1/drs", "vms?q=web-1*"];

/** Once through all pages, with a guest that comes and goes and a quarter of the others changing. */
async function walk(watch, guests, round) {
  for (const [i, place] of ROUND.entries()) {
    const set = {};
    for (let k = 1 + (i % 4); k <= guests; k += 4) set[`vm-${k}`] = { cpu_usage_mhz: (k * 7 + round * 31 + i) % 5000 };
    const fresh = { ...watch.items.at(-1), id: `vm-${guests + 1 + round}`, name: `fresh-${round}` };
    watch.delta(i % 2 ? set : { ...set, [fresh.id]: fresh }, i % 2 ? [fresh.id] : []);
    await page.evaluate((hash) => (location.hash = hash), `#/${place}`);
    await page.waitForTimeout(TICK_MS);
  }
}

/**
 * In the first minute what is run often is compiled, and the browser fills its own log of requests: neither
 * is of the pages. What comes after that is.
 */
async function soak(watch, guests) {
  let round = 0;
  await page.evaluate(() => performance.setResourceTimingBufferSize(0));
  for (const end = Date.now() + WARM_MS; Date.now() < end; ) await walk(watch, guests, round++);
  const used = [];
  for (const end = Date.now() + SOAK_S * 1000; Date.now() < end; ) {
    await walk(watch, guests, round++);
    used.push(await heap());
  }
  const few = Math.min(5, used.length);
  const [first, last] = [middle(used.slice(0, few)), middle(used.slice(-few))];
  say("web_soak_heap_first", first, "MB", 60);
  say("web_soak_heap_last", last, `MB after ${round} rounds`, 60);
  say("web_soak_heap_growth", (100 * (last - first)) / first, "%", 10);
}

const GUESTS = 2000;
let watch = await listen(build, invent(32, GUESTS));
try {
  await firstLoad();
  await page.addInitScript(watchForAnswer);
  await page.goto(`${watch.url}/#/vms`);
  await page.locator("tr[data-vm]").first().waitFor();
  await paint();
  await stream(watch, GUESTS);
  say("web_heap", await heap(), "MB", 60);
  await interactive();
  await computed();
  if (SOAK_S) await soak(watch, GUESTS);
  watch.close();
  watch = await listen(build, invent(64, 5000));
  await page.goto(`${watch.url}/#/home`);
  await page.getByText("● live").waitFor();
  watch.delta(moves(50), [], "tasks");
  await frames();
} finally {
  watch.close();
  await close();
}
