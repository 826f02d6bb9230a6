// Of a long list only what can be seen is drawn. Rows have one height.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";

const AROUND = 10;

export function useWindow(count: number, rowHeight: number) {
  const ref = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    const look = (): void => {
      top.value = Math.floor(box.scrollTop / rowHeight);
    };
    const sizes = new ResizeObserver(() => {
      height.value = box.clientHeight;
    });
    sizes.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    return () => {
      sizes.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [rowHeight]);
  const from = Math.max(0, Math.min(top.value, count) - AROUND);
  const to = Math.min(count, top.value + Math.ceil(height.value / rowHeight) + AROUND);
  return { ref, from, to, above: from * rowHeight, below: (count - to) * rowHeight };
}
