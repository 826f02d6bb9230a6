// Statistics as the charts need them.
import { call } from "../net/api.ts";

export interface Counter {
  name: string;
  description: string;
  unit: string;
  kind: "rate" | "delta" | "absolute";
  level: number;
}

export interface Series {
  object: string;
  counter: string;
  unit: string;
  instance: string;
  values: (number | null)[];
  max?: (number | null)[];
}

export interface Stats {
  interval_s: number;
  /** When the first value's interval ended. */
  first: string;
  count: number;
  series: Series[];
}

const POINTS = 600;

export const counters = (object: string): Promise<Counter[]> =>
  call<{ items: Counter[] }>("GET", `/stats/counters?object=${object}`).then((r) => r.items);

export function stats(objects: string[], names: string[], seconds: number): Promise<Stats> {
  const end = Date.now();
  const q = new URLSearchParams({
    objects: objects.join(","),
    counters: names.join(","),
    start: String(end - seconds * 1000),
    end: String(end),
    points: String(POINTS),
  });
  return call<Stats>("GET", `/stats?${q}`);
}

const LOOK_BACK_MS = 300_000;

/** Of the last minutes, what the guests that are directly in each pool have together. */
export function poolSums(names: string[]): Promise<Stats> {
  const end = Date.now();
  const q = new URLSearchParams({
    kind: "vm",
    group: "pool",
    aggregate: "sum",
    counters: names.join(","),
    start: String(end - LOOK_BACK_MS),
    end: String(end),
  });
  return call<Stats>("GET", `/stats?${q}`);
}

/** 0: nothing was counted. */
export const latest = (values: (number | null)[] | undefined): number => values?.findLast((v) => v !== null) ?? 0;

/** Seconds since 1970 of each value. */
export function timesOf(s: Stats): number[] {
  const first = Date.parse(s.first) / 1000;
  return Array.from({ length: s.count }, (_, i) => first + i * s.interval_s);
}

export const isEmpty = (s: Stats): boolean => !s.series.some((x) => x.values.some((v) => v !== null));

/** Kilobytes and milliseconds in units that people read. */
export function readable(v: number, unit: string): string {
  if (unit === "%") return `${v.toFixed(1)} %`;
  if (unit === "MHz") return v < 1000 ? `${Math.round(v)} MHz` : `${(v / 1000).toFixed(2)} GHz`;
  if (unit === "KB" || unit === "KBps") {
    const tail = unit === "KBps" ? "/s" : "";
    if (v < 1024) return `${Math.round(v)} KB${tail}`;
    return v < 1048576 ? `${(v / 1024).toFixed(1)} MB${tail}` : `${(v / 1048576).toFixed(1)} GB${tail}`;
  }
  if (unit === "num") return v.toFixed(v < 10 ? 1 : 0);
  return `${v.toFixed(v < 10 ? 1 : 0)} ${unit}`;
}
