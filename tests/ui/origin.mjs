// The pages of a build on a port of this machine, with an invented inventory and a watch that the script
// drives: what is measured there is the pages' own work, and none of the test's. Plain HTTP: a browser
// trusts its own machine.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const types = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const CSP = "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'";
const CHUNK = 400;
const when = "2026-01-01T00:00:00.000Z";
const session = { user: "admin", role: "administrator", csrf: "c", expires_at: when };

function send(socket, text) {
  const body = Buffer.from(text);
  const long = body.length > 65535;
  const head = Buffer.alloc(body.length < 126 ? 2 : long ? 10 : 4);
  head[0] = 0x81; // one whole text
  head[1] = body.length < 126 ? body.length : long ? 127 : 126;
  if (long) head.writeBigUInt64BE(BigInt(body.length), 2);
  else if (body.length >= 126) head.writeUInt16BE(body.length, 2);
  socket.write(head);
  socket.write(body);
}

/** The texts in what a browser has sent: frames that are masked, whole and short. */
function received(data) {
  const texts = [];
  for (let at = 0; at + 6 <= data.length; ) {
    const short = data[at + 1] & 127;
    const [length, mask] = short < 126 ? [short, at + 2] : [data.readUInt16BE(at + 2), at + 4];
    const body = data.subarray(mask + 4, mask + 4 + length).map((b, i) => b ^ data[mask + (i & 3)]);
    if ((data[at] & 15) === 1) texts.push(body.toString());
    at = mask + 4 + length;
  }
  return texts;
}

async function answer(req, res, build) {
  const path = new URL(req.url, "http://x").pathname;
  if (path.startsWith("/api/v1/")) {
    const stats = { items: [], interval_s: 20, first: when, count: 0, series: [] };
    const body = path.endsWith("/sessions/current") ? session : path.includes("/stats") ? stats : { items: [] };
    return res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
  const name = path === "/" ? "index.html" : path.slice(1);
  const data = await readFile(join(build, `${name}.gz`)).catch(() => null);
  if (!data) return res.writeHead(404).end();
  const headers = { "content-type": types[name.split(".").pop()] ?? "text/plain", "content-encoding": "gzip", "content-security-policy": CSP };
  return res.writeHead(200, headers).end(data);
}

/** close ends it. watch.items may be changed before the next load. */
export async function listen(build, items) {
  const watch = { items, rev: 10, socket: null, subs: new Map() };
  const open = new Set();
  const server = createServer((req, res) => void answer(req, res, build));
  server.on("connection", (s) => {
    open.add(s);
    s.on("close", () => open.delete(s));
  });
  const hear = (socket, text) => {
    const m = JSON.parse(text);
    if (m.type !== "sub") return;
    watch.subs.set(m.kind, m.id);
    const all = m.kind === "inventory" ? watch.items : [];
    for (let i = 0; i === 0 || i < all.length; i += CHUNK)
      send(socket, JSON.stringify({ type: "snap", id: m.id, rev: watch.rev, items: all.slice(i, i + CHUNK), last: i + CHUNK >= all.length }));
  };
  server.on("upgrade", (req, socket) => {
    const key = createHash("sha1").update(`${req.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: drover.v1\r\n\r\n`);
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      for (const text of received(data)) hear(socket, text);
    });
    watch.socket = socket;
    watch.subs = new Map();
    send(socket, JSON.stringify({ type: "hello", boot: "b1", rev: watch.rev }));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  watch.url = `http://127.0.0.1:${server.address().port}`;
  watch.delta = (set, del = [], kind = "inventory") =>
    send(watch.socket, JSON.stringify({ type: "delta", id: watch.subs.get(kind), rev: ++watch.rev, set, del }));
  watch.close = () => {
    for (const s of open) s.destroy();
    server.close();
  };
  return watch;
}
