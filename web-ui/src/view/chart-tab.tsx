// Monitor: any counter of an object over any time, beside another object; as a chart, a table or a file.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Obj } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { prefs } from "../store/prefs.ts";
import { RECENT_S } from "../store/recent.ts";
import { route, setQuery } from "../store/route.ts";
import { type Counter, type Stats, counters, readable, stats, timesOf } from "../store/stats.ts";
import { t } from "../text/en.ts";
import { Failed, Loading } from "../ui/load.tsx";
import { csv, download, moment } from "../ui/text.ts";
import type { Curve } from "./chart.tsx";
import { useLive } from "./live.tsx";
import { Chart } from "./mini-chart.tsx";

const REFRESH_MS = 20_000;
const HEIGHT = 320;
const HOUR_S = 3600;
/** Of the ranges, the one that is no number of seconds. */
const LIVE = "live";

/** What is on the page, however it came. */
export interface Shown {
  counter: string;
  times: number[];
  curves: Curve[];
}

function shownOf(s: Stats): Shown {
  const curves = s.series.map((x) => ({ label: inventory.name(x.object), unit: x.unit, values: x.values }));
  return { counter: s.series[0]?.counter ?? "", times: timesOf(s), curves };
}

function exportCsv(s: Shown): void {
  const head = ["time", ...s.curves.map((c) => `${c.label} ${s.counter} (${c.unit})`)];
  const rows = s.times.map((at, i) => [new Date(at * 1000).toISOString(), ...s.curves.map((c) => c.values[i] ?? "")]);
  download("statistics.csv", csv([head, ...rows]));
}

/** The same as a picture, drawn by the server: for mails and reports. */
function graphPath(objects: string[], counter: string, seconds: number): string {
  const end = Date.now();
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && prefs.theme.value === "auto";
  const theme = dark || ["dark", "contrast"].includes(prefs.theme.value) ? "dark" : "light";
  const q = { objects: objects.join(","), counters: counter, start: String(end - seconds * 1000), end: String(end), theme };
  return `/api/v1/stats/graph?${new URLSearchParams(q)}`;
}

function Values({ s }: { s: Shown }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{t.chart.time}</th>
          {s.curves.map((c) => (
            <th key={c.label} class="num">
              {c.label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {s.times
          .map((at, i) => (
            <tr key={at}>
              <td class="mono">{moment(new Date(at * 1000).toISOString())}</td>
              {s.curves.map((c) => {
                const v = c.values[i];
                return (
                  <td key={c.label} class="num">
                    {v === null || v === undefined ? t.chart.gap : readable(v, c.unit)}
                  </td>
                );
              })}
            </tr>
          ))
          .reverse()}
      </tbody>
    </table>
  );
}

function Picture({ s }: { s: Shown }) {
  return <Chart times={s.times} curves={s.curves} label={t.chart.label(s.counter)} height={HEIGHT} />;
}

interface PickersProps {
  list: Counter[];
  counter: string;
  range: string;
  other: string;
  object: Obj;
}

function Pickers({ list, counter, range, other, object }: PickersProps) {
  const others = inventory.all(object.kind).filter((o) => o.id !== object.id);
  return (
    <>
      <label>
        {t.chart.counters}{" "}
        <select value={counter} onChange={(e) => setQuery("c", e.currentTarget.value)}>
          {list.map((c) => (
            <option key={c.name} value={c.name} title={c.description}>
              {c.name} ({c.unit})
            </option>
          ))}
        </select>
      </label>
      <label>
        {t.chart.range}{" "}
        <select value={range} onChange={(e) => setQuery("r", e.currentTarget.value)}>
          {[[LIVE, t.chart.live] as const, ...Object.entries(t.chart.ranges)].map(([s, title]) => (
            <option key={s} value={s}>
              {title}
            </option>
          ))}
        </select>
      </label>
      {others.length > 0 && (
        <label>
          {t.chart.compare}{" "}
          <select value={other} onChange={(e) => setQuery("with", e.currentTarget.value)}>
            <option value="">{t.chart.nobody}</option>
            {others.map((o) => (
              <option key={o.id} value={o.id}>
                {o.name}
              </option>
            ))}
          </select>
        </label>
      )}
    </>
  );
}

const isBare = (s: Shown): boolean => !s.curves.some((c) => c.values.some((v) => v !== null && v !== undefined));

/** What is stored, read anew as often as it grows. */
function useStored(objects: string[], counter: string, seconds: number) {
  const shown = useSignal<Shown | null>(null);
  const failed = useSignal<Error | null>(null);
  const load = (): void => {
    if (!counter || !seconds) return;
    stats(objects, [counter], seconds)
      .then((s) => {
        shown.value = shownOf(s);
        failed.value = null;
      })
      .catch((e: Error) => (failed.value = e));
  };
  useEffect(() => {
    load();
    const timer = setInterval(load, REFRESH_MS);
    return () => clearInterval(timer);
  }, [objects.join(), counter, seconds]);
  return { shown: shown.value, failed: failed.value, load };
}

export function ChartTab({ object }: { object: Obj }) {
  const list = useSignal<Counter[] | null>(null);
  const failed = useSignal<Error | null>(null);
  const asTable = useSignal(false);
  const q = route.value.query;
  const counter = q.get("c") ?? list.value?.[0]?.name ?? "";
  const range = q.get("r") ?? "3600";
  const other = q.get("with") ?? "";
  const objects = [object.id, ...(other ? [other] : [])];
  const known = list.value?.find((c) => c.name === counter);
  const stored = useStored(objects, counter, range === LIVE ? 0 : Number(range) || HOUR_S);
  const live = useLive(objects, range === LIVE ? known : undefined);
  const shown = range === LIVE ? live.shown : stored.shown;
  const find = (): void => {
    counters(object.id)
      .then((c) => {
        list.value = c;
        failed.value = null;
      })
      .catch((e: Error) => (failed.value = e));
  };
  useEffect(find, [object.id]);
  if (failed.value) return <Failed error={failed.value} retry={find} />;
  if (stored.failed && range !== LIVE) return <Failed error={stored.failed} retry={stored.load} />;
  if (!list.value || !shown) return <Loading text={t.chart.loading} />;
  return (
    <section class="card">
      <div class="bar-top">
        <Pickers list={list.value} counter={counter} range={range} other={other} object={object} />
        <span class="grow" />
        <button type="button" aria-pressed={asTable.value} onClick={() => (asTable.value = !asTable.value)}>
          {asTable.value ? t.chart.picture : t.chart.table}
        </button>
        <a
          class="button"
          href={graphPath(objects, counter, range === LIVE ? RECENT_S : Number(range) || HOUR_S)}
          download={`${object.id}.png`}
        >
          {t.chart.png}
        </a>
        <button type="button" onClick={() => exportCsv(shown)}>
          {t.chart.csv}
        </button>
      </div>
      <p class="dim">
        {known?.description} {range === LIVE && live.note}
      </p>
      {isBare(shown) ? <p class="empty">{t.chart.none}</p> : asTable.value ? <Values s={shown} /> : <Picture s={shown} />}
    </section>
  );
}
