// The last hour of one counter, on summaries; a click leads to the whole chart.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Obj } from "../net/types.ts";
import { href } from "../store/route.ts";
import { type Stats, isEmpty, stats, timesOf } from "../store/stats.ts";
import { t } from "../text/en.ts";
import { lazy } from "../ui/lazy.tsx";
import { Failed, Loading } from "../ui/load.tsx";

export const Chart = lazy(() => import("./chart.tsx"));

const HOUR = 3600;
const REFRESH_MS = 20_000;

export function MiniChart({ object, counter }: { object: Obj; counter: string }) {
  const got = useSignal<Stats | null>(null);
  const failed = useSignal<Error | null>(null);
  const load = (): void => {
    stats([object.id], [counter], HOUR)
      .then((s) => {
        got.value = s;
        failed.value = null;
      })
      .catch((e: Error) => (failed.value = e));
  };
  useEffect(() => {
    load();
    const timer = setInterval(load, REFRESH_MS);
    return () => clearInterval(timer);
  }, [object.id, counter]);
  const s = got.value;
  const curve = s?.series[0];
  return (
    <section class="card">
      <h2>
        <a href={`${href(object.id, "monitor")}?c=${counter}`}>{counter}</a>{" "}
        <span class="dim">{t.chart.ranges["3600"]?.toLowerCase()}</span>
      </h2>
      {failed.value ? (
        <Failed error={failed.value} retry={load} />
      ) : !s ? (
        <Loading text={t.chart.loading} />
      ) : isEmpty(s) || !curve ? (
        <p class="empty">{t.chart.none}</p>
      ) : (
        <Chart
          times={timesOf(s)}
          curves={[{ label: counter, unit: curve.unit, values: curve.values }]}
          label={t.chart.label(counter)}
          height={140}
          small
        />
      )}
    </section>
  );
}
