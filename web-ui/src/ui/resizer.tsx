import type { Signal } from "@preact/signals";

const STEP = 20;

/** A bar between two regions: dragged, or moved with the arrow keys. */
export function Resizer({
  size,
  min,
  max,
  along,
  sign,
  label,
}: {
  size: Signal<number>;
  min: number;
  max: number;
  along: "x" | "y";
  sign: 1 | -1;
  label: string;
}) {
  const set = (n: number): void => {
    size.value = Math.round(Math.max(min, Math.min(max, n)));
  };
  return (
    <hr
      class={`resizer ${along}`}
      aria-orientation={along === "x" ? "vertical" : "horizontal"}
      aria-label={label}
      aria-valuenow={size.value}
      aria-valuemin={min}
      aria-valuemax={max}
      tabIndex={0}
      onKeyDown={(e) => {
        const keys: Record<string, number> = along === "x" ? { ArrowRight: STEP, ArrowLeft: -STEP } : { ArrowDown: STEP, ArrowUp: -STEP };
        const by = keys[e.key];
        if (!by) return;
        e.preventDefault();
        set(size.value + sign * by);
      }}
      onPointerDown={(e) => {
        const bar = e.currentTarget;
        const from = along === "x" ? e.clientX : e.clientY;
        const was = size.value;
        bar.setPointerCapture(e.pointerId);
        bar.onpointermove = (m) => set(was + sign * ((along === "x" ? m.clientX : m.clientY) - from));
        bar.onpointerup = () => {
          bar.onpointermove = null;
        };
      }}
    />
  );
}
