// The newest minutes of a counter: what was stored at first, then what comes live.
import type { Sample } from "../net/watch.ts";
import { type Counter, type Stats, timesOf } from "./stats.ts";

const KEPT_S = 600;
/** So many spans without a sample are a gap. */
const SILENT_SPANS = 3;

interface Point {
  at: number;
  value: number | null;
  live: boolean;
}

export interface Drawn {
  times: number[];
  /** By object; null is a gap, undefined a moment of another object. */
  values: (number | null | undefined)[][];
}

export class Recent {
  private readonly points: Map<string, Point[]>;

  constructor(
    objects: string[],
    private readonly counter: Counter,
  ) {
    this.points = new Map(objects.map((o) => [o, []]));
  }

  /** Sums are over spans that differ: of them, what there was in a second. */
  private amount(value: number, seconds: number): number {
    return this.counter.kind === "delta" ? value / seconds : value;
  }

  /** What is older than the live ones; these may have come before. */
  stored(s: Stats): void {
    const times = timesOf(s);
    for (const one of s.series) {
      const had = this.points.get(one.object);
      if (!had) continue;
      const first = had[0]?.at ?? Infinity;
      const old = times.flatMap((at, i): Point[] => {
        const v = one.values[i] ?? null;
        return at < first ? [{ at, value: v === null ? null : this.amount(v, s.interval_s), live: false }] : [];
      });
      // A slot whose sample has not come yet is no gap.
      while (old.length && old[old.length - 1]?.value === null) old.pop();
      this.points.set(one.object, [...old, ...had]);
    }
  }

  add(x: Sample): void {
    const list = this.points.get(x.object);
    const value = x.values[this.counter.name];
    const at = x.t / 1000;
    const span = x.span_ms / 1000;
    const last = list?.[list.length - 1];
    if (!list || value === undefined || (last && at <= last.at)) return;
    if (last?.live && at - last.at > SILENT_SPANS * span) list.push({ at: last.at + span, value: null, live: true });
    list.push({ at, value: this.amount(value, span), live: true });
    while (list[0] && list[0].at < at - KEPT_S) list.shift();
  }

  drawn(): Drawn {
    const lists = [...this.points.values()];
    const times = [...new Set(lists.flatMap((l) => l.map((p) => p.at)))].sort((a, b) => a - b);
    return {
      times,
      values: lists.map((l) => {
        const by = new Map(l.map((p) => [p.at, p.value]));
        return times.map((at) => by.get(at));
      }),
    };
  }

  /** Of what one reads beside the values. */
  get unit(): string {
    return this.counter.kind === "delta" ? `${this.counter.unit}/s` : this.counter.unit;
  }
}

export const RECENT_S = KEPT_S;
