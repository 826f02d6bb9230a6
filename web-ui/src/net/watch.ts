// The one WebSocket: subscribes, applies snapshots and deltas, resumes by revision.
export interface Frame {
  type: string;
  id?: number;
  rev?: number;
  boot?: string;
  items?: unknown[];
  item?: unknown;
  last?: boolean;
  set?: Record<string, Record<string, unknown>>;
  del?: string[];
  t?: number;
  object?: string;
  span_ms?: number;
  values?: Record<string, number>;
  message?: string;
}

export type SubKind = "inventory" | "tasks" | "events" | "alarms" | "stats";

/** What an object came to in a span that ended at t, in ms since 1970. */
export interface Sample {
  object: string;
  t: number;
  span_ms: number;
  values: Record<string, number>;
}

export interface SampleSink {
  sample(x: Sample): void;
  /** How often they are to come, the slowest of the objects. */
  every(ms: number): void;
  refused(why: string): void;
}

export interface Sink {
  /** Everything there is; what is not in it is gone. */
  snapshot(items: unknown[]): void;
  delta(set: Record<string, Record<string, unknown>>, del: string[]): void;
  item?(item: unknown): void;
}

interface Sub {
  kind: SubKind;
  sink: Sink;
  /** Of samples: which ones, and for whom. */
  wish?: { objects: string[]; counters: string[]; realtime: boolean };
  samples?: SampleSink;
  rev: number;
  pending: unknown[];
}

export type Link = "connecting" | "live" | "stale" | "closed";

const SILENT_MS = 35_000;
/** The way there takes several round trips, each of which may take long. */
const CONNECT_MS = 120_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

export class Watch {
  private socket: WebSocket | null = null;
  private boot = "";
  private readonly subs = new Map<number, Sub>();
  private lastId = 0;
  private greeted = false;
  private retryMs = FIRST_RETRY_MS;
  private silence = 0;
  private ended = false;

  constructor(
    private readonly url: string,
    private readonly onLink: (l: Link, why: string) => void,
    private readonly makeSocket: (url: string) => WebSocket = (u) => new WebSocket(u, "drover.v1"),
  ) {}

  subscribe(kind: SubKind, sink: Sink): void {
    this.subs.set(++this.lastId, { kind, sink, rev: -1, pending: [] });
  }

  /** Samples every other second, also over a lost link; what comes back ends it. */
  watchSamples(objects: string[], counters: string[], samples: SampleSink): () => void {
    const sink: Sink = {
      snapshot: (items) => samples.every(Math.max(0, ...(items as { interval_ms: number }[]).map((x) => x.interval_ms))),
      delta: () => undefined,
    };
    const sub: Sub = { kind: "stats", sink, rev: -1, pending: [], wish: { objects, counters, realtime: true }, samples };
    const id = ++this.lastId;
    this.subs.set(id, sub);
    if (this.greeted) this.ask(id, sub, false);
    return () => {
      this.subs.delete(id);
      if (this.greeted) this.send({ type: "unsub", id });
    };
  }

  start(): void {
    this.onLink("connecting", "");
    const s = this.makeSocket(this.url);
    this.socket = s;
    s.onmessage = (m) => {
      this.listen();
      this.receive(JSON.parse(String(m.data)) as Frame);
    };
    s.onclose = (e) => this.lost(e.code, e.reason);
    this.listen(CONNECT_MS);
  }

  stop(): void {
    this.ended = true;
    clearTimeout(this.silence);
    this.socket?.close();
  }

  private send(m: object): void {
    this.socket?.send(JSON.stringify(m));
  }

  /** Two missed pings: what is shown is no longer known to be true. */
  private listen(ms = SILENT_MS): void {
    clearTimeout(this.silence);
    this.silence = window.setTimeout(() => this.socket?.close(), ms);
  }

  private lost(code: number, why: string): void {
    clearTimeout(this.silence);
    this.socket = null;
    this.greeted = false;
    if (this.ended) return;
    if (code === 4401) {
      this.ended = true;
      this.onLink("closed", why || "the session has ended");
      return;
    }
    this.onLink("stale", why || "the connection was lost");
    const wait = this.retryMs * (0.5 + Math.random());
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
    window.setTimeout(() => !this.ended && this.start(), wait);
  }

  private ask(id: number, sub: Sub, resume: boolean): void {
    sub.pending = [];
    const since = resume && sub.rev >= 0 ? { since: sub.rev, boot: this.boot } : {};
    this.send({ type: "sub", id, kind: sub.kind, ...since, ...sub.wish });
  }

  private greet(f: Frame): void {
    const resume = f.boot === this.boot;
    this.boot = f.boot ?? "";
    this.retryMs = FIRST_RETRY_MS;
    this.greeted = true;
    for (const [id, sub] of this.subs) this.ask(id, sub, resume && sub.kind !== "events");
    this.onLink("live", "");
  }

  private receive(f: Frame): void {
    const sub = this.subs.get(f.id ?? 0);
    if (f.type === "hello") this.greet(f);
    else if (f.type === "ping") this.send({ type: "pong", t: f.t });
    else if (sub) this.feed(f, sub);
  }

  private feed(f: Frame, sub: Sub): void {
    switch (f.type) {
      case "snap":
        sub.pending.push(...(f.items ?? []));
        if (!f.last) return;
        sub.rev = f.rev ?? -1;
        sub.sink.snapshot(sub.pending);
        sub.pending = [];
        break;
      case "delta":
        sub.rev = f.rev ?? sub.rev;
        sub.sink.delta(f.set ?? {}, f.del ?? []);
        break;
      case "event":
        sub.sink.item?.(f.item);
        break;
      case "stat":
        sub.samples?.sample(f as Frame & Sample);
        break;
      case "error":
        sub.samples?.refused(f.message ?? "");
        break;
      case "resync":
        sub.rev = -1;
        this.ask(f.id ?? 0, sub, false);
        break;
    }
  }
}

/** JSON merge patch (RFC 7396) for one level deep objects and below. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const base = target !== null && typeof target === "object" && !Array.isArray(target) ? target : {};
  const out: Record<string, unknown> = { ...(base as Record<string, unknown>) };
  for (const [k, v] of Object.entries(patch as Record<string, unknown>)) {
    if (v === null && !(k in out)) continue;
    if (v === null) out[k] = null;
    else out[k] = mergePatch(out[k], v);
  }
  return out;
}
