// Realtime: the last ten minutes of a counter, a value every other second for as long as one looks.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { inventory } from "../store/collection.ts";
import { RECENT_S, Recent } from "../store/recent.ts";
import { watchSamples } from "../store/session.ts";
import { type Counter, stats } from "../store/stats.ts";
import { t } from "../text/en.ts";
import type { Shown } from "./chart-tab.tsx";

/** What is known by now; it grows while the page is open. */
export function useLive(objects: string[], counter: Counter | undefined): { shown: Shown | null; note: string } {
  const shown = useSignal<Shown | null>(null);
  const note = useSignal("");
  useEffect(() => {
    if (!counter) return;
    const recent = new Recent(objects, counter);
    let over = false;
    const draw = (): void => {
      const { times, values } = recent.drawn();
      const curves = objects.map((o, i) => ({ label: inventory.name(o), unit: recent.unit, values: values[i] ?? [] }));
      if (!over) shown.value = { counter: counter.name, times, curves };
    };
    stats(objects, [counter.name], RECENT_S)
      .then((s) => recent.stored(s))
      .catch(() => undefined) // there is no past, then
      .finally(draw);
    const end = watchSamples(objects, [counter.name], {
      sample: (x) => {
        recent.add(x);
        draw();
      },
      every: (ms) => (note.value = t.chart.every(ms / 1000)),
      refused: (why) => (note.value = why),
    });
    return () => {
      over = true;
      shown.value = null;
      end();
    };
  }, [objects.join(), counter?.name]);
  return { shown: shown.value, note: note.value };
}
