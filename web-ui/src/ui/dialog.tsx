import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** A modal dialog; Escape closes it, and focus comes back by the browser's own rules. */
export function Dialog({
  title,
  onClose,
  wide,
  children,
}: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const box = ref.current;
    if (box && !box.open) box.showModal();
  }, []);
  return (
    <dialog ref={ref} onClose={onClose} aria-label={title} class={wide ? "wide" : ""}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}
