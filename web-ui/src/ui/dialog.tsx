import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";

/** A modal dialog; Escape and the backdrop close it, focus comes back by the browser's own rules. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} onClose={onClose} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}
