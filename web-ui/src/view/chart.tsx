// Line charts by uPlot; a chunk of its own, fetched when the first chart is looked at.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { readable } from "../store/stats.ts";

export interface Curve {
  label: string;
  unit: string;
  /** null is a gap; undefined is nothing of this curve at that moment. */
  values: (number | null | undefined)[];
}

const DAY_S = 86_400;
const tokens = ["--accent", "--warn", "--ok", "--bad", "--chart-5", "--chart-6"];
const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Hours of a day are counted to 24; a step of a day or more shows the day. */
function timeTicks(ticks: number[], step: number): string[] {
  return ticks.map((at) => {
    const d = new Date(at * 1000);
    return step >= DAY_S
      ? d.toLocaleDateString([], { day: "numeric", month: "short" })
      : d.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  });
}

function options(curves: Curve[], width: number, height: number, small: boolean): uPlot.Options {
  const axis = { stroke: token("--dim"), grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), width: 1 } };
  const unit = curves[0]?.unit ?? "";
  return {
    width,
    height,
    legend: { show: !small },
    cursor: { drag: { x: true, y: false } },
    scales: { y: { range: (_u, min, max) => [Math.min(0, min), unit === "%" ? Math.max(max * 1.1, 10) : max * 1.1 || 1] } },
    axes: [
      { ...axis, values: (_u, ticks, _axis, _space, step) => timeTicks(ticks, step) },
      { ...axis, size: 76, values: (_u, ticks) => ticks.map((v) => readable(v, unit)) },
    ],
    series: [
      { value: (_u: uPlot, at: number | null) => (at === null ? "–" : new Date(at * 1000).toLocaleString([], { hour12: false })) },
      ...curves.map((c, i) => ({
        label: c.label,
        stroke: token(tokens[i % tokens.length] ?? "--accent"),
        width: 1.5,
        // Told apart without colour, too.
        dash: i ? [2 + 3 * i, 3] : [],
        spanGaps: false,
        points: { show: false },
        value: (_u: uPlot, v: number | null) => (v === null ? "–" : readable(v, c.unit)),
      })),
    ],
  };
}

export default function Chart({
  times,
  curves,
  label,
  height,
  small = false,
}: {
  times: number[];
  curves: Curve[];
  label: string;
  height: number;
  small?: boolean;
}) {
  const ref = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const data = [times, ...curves.map((c) => c.values)] as uPlot.AlignedData;
  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    const plot = new uPlot(options(curves, box.clientWidth || 400, height, small), data, box);
    drawn.current = plot;
    const sizes = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height }));
    sizes.observe(box);
    return () => {
      sizes.disconnect();
      plot.destroy();
    };
  }, [curves.map((c) => `${c.label} ${c.unit}`).join(), height, document.documentElement.dataset.theme]);
  // What only grows keeps its place under the pointer.
  useEffect(() => drawn.current?.setData(data), [times, curves]);
  return <div ref={ref} class="chart" role="img" aria-label={label} />;
}
