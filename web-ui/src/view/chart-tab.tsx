// Monitor: any counter of an object over any time, beside another object; as a chart, a table or a file.
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Obj } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { prefs } from "../store/prefs.ts";
import { route, setQuery } from "../store/route.ts";
import { type Counter, type Stats, counters, isEmpty, readable, stats, timesOf } from "../store/stats.ts";
import { t } from "../text/en.ts";
import { Failed, Loading } from "../ui/load.tsx";
import { csv, download, moment } from "../ui/text.ts";
import { Chart } from "./mini-chart.tsx";

const REFRESH_MS = 20_000;
const HEIGHT = 320;
const HOUR_S = 3600;

function exportCsv(s: Stats, name: (id: string) => string): void {
  const head = ["time", ...s.series.map((x) => `${name(x.object)} ${x.counter} (${x.unit})`)];
  const rows = timesOf(s).map((at, i) => [new Date(at * 1000).toISOString(), ...s.series.map((x) => x.values[i] ?? "")]);
  download("statistics.csv", csv([head, ...rows]));
}

/** The same as a picture, drawn by the server: for mails and reports. */
function graphPath(s: Stats, seconds: number): string {
  const end = Date.now();
  const objects = [...new Set(s.series.map((x) => x.object))].join(",");
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && prefs.theme.value === "auto";
  const theme = dark || ["dark", "contrast"].includes(prefs.theme.value) ? "dark" : "light";
  const q = { objects, counters: s.series[0]?.counter ?? "", start: String(end - seconds * 1000), end: String(end), theme };
  return `/api/v1/stats/graph?${new URLSearchParams(q)}`;
}

function Values({ s }: { s: Stats }) {
  const times = timesOf(s);
  return (
    <table>
      <thead>
        <tr>
          <th>{t.chart.time}</th>
          {s.series.map((x) => (
            <th key={x.object} class="num">
              {inventory.name(x.object)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {times
          .map((at, i) => (
            <tr key={at}>
              <td class="mono">{moment(new Date(at * 1000).toISOString())}</td>
              {s.series.map((x) => {
                const v = x.values[i];
                return (
                  <td key={x.object} class="num">
                    {v === null || v === undefined ? t.chart.gap : readable(v, x.unit)}
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

function Picture({ s }: { s: Stats }) {
  const drawn = useMemo(
    () => ({ times: timesOf(s), curves: s.series.map((x) => ({ label: inventory.name(x.object), unit: x.unit, values: x.values })) }),
    [s],
  );
  return <Chart times={drawn.times} curves={drawn.curves} label={t.chart.label(s.series[0]?.counter ?? "")} height={HEIGHT} />;
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
          {Object.entries(t.chart.ranges).map(([s, title]) => (
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

export function ChartTab({ object }: { object: Obj }) {
  const list = useSignal<Counter[] | null>(null);
  const got = useSignal<Stats | null>(null);
  const failed = useSignal<Error | null>(null);
  const asTable = useSignal(false);
  const q = route.value.query;
  const counter = q.get("c") ?? list.value?.[0]?.name ?? "";
  const range = q.get("r") ?? "3600";
  const other = q.get("with") ?? "";
  const fail = (e: Error): void => {
    failed.value = e;
  };
  const load = (): void => {
    if (!counter) return;
    stats([object.id, ...(other ? [other] : [])], [counter], Number(range) || HOUR_S)
      .then((s) => {
        got.value = s;
        failed.value = null;
      })
      .catch(fail);
  };
  useEffect(() => {
    counters(object.id)
      .then((c) => (list.value = c))
      .catch(fail);
  }, [object.id]);
  useEffect(() => {
    load();
    const timer = setInterval(load, REFRESH_MS);
    return () => clearInterval(timer);
  }, [object.id, counter, range, other]);
  if (failed.value) return <Failed error={failed.value} retry={load} />;
  if (!list.value || !got.value) return <Loading text={t.chart.loading} />;
  const s = got.value;
  return (
    <section class="card">
      <div class="bar-top">
        <Pickers list={list.value} counter={counter} range={range} other={other} object={object} />
        <span class="grow" />
        <button type="button" aria-pressed={asTable.value} onClick={() => (asTable.value = !asTable.value)}>
          {asTable.value ? t.chart.picture : t.chart.table}
        </button>
        <a class="button" href={graphPath(s, Number(range) || HOUR_S)} download={`${object.id}.png`}>
          {t.chart.png}
        </a>
        <button type="button" onClick={() => exportCsv(s, (id) => inventory.name(id))}>
          {t.chart.csv}
        </button>
      </div>
      <p class="dim">{list.value.find((c) => c.name === counter)?.description}</p>
      {isEmpty(s) ? <p class="empty">{t.chart.none}</p> : asTable.value ? <Values s={s} /> : <Picture s={s} />}
    </section>
  );
}
