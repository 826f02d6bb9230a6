// A server that is not there: the pages of a build on an origin of their own, an invented inventory, and
// a watch that the script drives. Nothing leaves the browser.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export const ORIGIN = "https://drover.test";
const types = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const CSP = "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' wss://drover.test";

const when = "2026-01-01T00:00:00.000Z";
const common = (id, kind, name, parent) => ({ id, kind, name, parent, rev: 1, created_at: when });

/** hosts and guests of one cluster, spread evenly. */
export function invent(hosts, guests) {
  const items = [
    common("dc-1", "dc", "dc1", null),
    { ...common("cluster-1", "cluster", "cluster1", "dc-1"), drs_enabled: true, drs_automation_level: "manual", drs_threshold: 3, ha_enabled: false, ha_survives: 0, ha_capacity: null },
    { ...common("pool-1", "pool", "Resources", "cluster-1"), is_root: true },
    {
      ...common("pool-2", "pool", "prod", "pool-1"), is_root: false, cpu_shares_level: "normal", cpu_shares: 4000, cpu_reservation_mhz: 0, cpu_limit_mhz: 0,
      mem_shares_level: "normal", mem_shares: 4000, mem_reservation_mb: 0, mem_limit_mb: 0, cpu_expandable: true, mem_expandable: true, scalable_shares: false, tags: [],
    },
  ];
  for (let i = 1; i <= hosts; i++)
    items.push({
      ...common(`host-${i}`, "host", `host-${i}`, "cluster-1"), connection_state: "connected", maintenance: "none", standby: "none", state_reason: null,
      cpu_cores: 32, cpu_mhz: 2600, cpu_total_mhz: 83200, cpu_usage_mhz: 20000, memory_total_mb: 524288, memory_usage_mb: 200000, address: `10.0.0.${i}`,
    });
  for (let i = 1; i <= guests; i++)
    items.push({
      ...common(`vm-${i}`, "vm", `web-${i}`, "dc-1"), lifecycle: "ready", guest_type: "machine", power_state: "powered_on", power_reason: null,
      host: `host-${(i % hosts) + 1}`, pool: "pool-1", template: null, num_cpu: 2, memory_mb: 1024 * (1 + (i % 8)), ip_address: `10.1.${i >> 8}.${i & 255}`,
      cpu_usage_mhz: i % 5000, memory_usage_mb: 600, datastores: [], networks: [], disks: [], nics: [], notes: null, snapshot: null,
    });
  return items;
}

const PING_MS = 15_000;
const later = (ms) => new Promise((done) => setTimeout(done, ms));

async function answer(route, build, api) {
  const path = new URL(route.request().url()).pathname;
  if (path.startsWith("/api/v1/")) {
    const found = api(route.request().method(), path.slice(7), route.request());
    return route.fulfill({ status: found.status ?? 200, contentType: "application/json", body: JSON.stringify(found.body ?? {}) });
  }
  const file = join(build, path === "/" ? "index.html" : path.slice(1));
  if (!existsSync(file)) return route.fulfill({ status: 404, body: "" });
  return route.fulfill({ contentType: types[file.split(".").pop()] ?? "text/plain", body: await readFile(file), headers: { "content-security-policy": CSP } });
}

/**
 * Serve build to page. The watch given back: send to all subscriptions of a kind, or cut the line. delay: how
 * many ms a request takes to be answered, and a frame of the watch to arrive.
 */
export async function serve(page, build, items, api = () => null, delay = 0) {
  const watch = { boot: "b1", rev: 10, socket: null, subs: new Map(), items, others: {} };
  const session = { user: "admin", role: "administrator", csrf: "c", expires_at: when };
  await page.route(`${ORIGIN}/**`, async (route) => {
    if (delay) await later(delay);
    return answer(route, build, (method, path, request) => {
      const own = api(method, path, request);
      if (own) return own;
      if (path === "/sessions/current") return { body: session };
      if (path.startsWith("/stats")) return { body: { items: [], interval_s: 20, first: when, count: 0, series: [] } };
      return { body: { items: [] } };
    }).catch(() => undefined); // the page has gone meanwhile
  });
  await page.routeWebSocket(`wss://drover.test/api/v1/watch`, (line) => {
    const ws = {
      send: (text) => (delay ? later(delay).then(() => line.send(text)) : line.send(text)),
      onMessage: (fn) => line.onMessage((text) => (delay ? later(delay).then(() => fn(text)) : fn(text))),
      close: (why) => line.close(why),
    };
    watch.socket = ws;
    watch.subs = new Map();
    const alive = setInterval(() => ws.send(JSON.stringify({ type: "ping", t: 1 })), PING_MS);
    line.onClose(() => clearInterval(alive));
    alive.unref();
    ws.onMessage((text) => {
      const m = JSON.parse(text);
      if (m.type !== "sub") return;
      watch.subs.set(m.kind, m.id);
      const all = m.kind === "inventory" ? watch.items : (watch.others[m.kind] ?? []);
      for (let i = 0; i === 0 || i < all.length; i += 400)
        ws.send(JSON.stringify({ type: "snap", id: m.id, rev: watch.rev, items: all.slice(i, i + 400), last: i + 400 >= all.length }));
    });
    ws.send(JSON.stringify({ type: "hello", boot: watch.boot, rev: watch.rev }));
  });
  // A guest's screen or terminal that says nothing.
  await page.routeWebSocket(/\/api\/v1\/vms\/[^/]+\/enter/, () => undefined);
  watch.delta = (set, del = [], kind = "inventory") => watch.socket.send(JSON.stringify({ type: "delta", id: watch.subs.get(kind), rev: ++watch.rev, set, del }));
  watch.cut = () => watch.socket.close({ code: 1001, reason: "gone" });
  return watch;
}
