import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** What opens below a button and closes with Escape, or when one goes elsewhere. */
export function Popup({ title, onOpen, children }: { title: string; onOpen?: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    // Focus also leaves what is removed under it: that goes nowhere, and closes nothing.
    const away = (e: Event): void => {
      if (ref.current && !ref.current.contains(e.target as Node)) ref.current.open = false;
    };
    document.addEventListener("pointerdown", away, true);
    document.addEventListener("focusin", away);
    return () => {
      document.removeEventListener("pointerdown", away, true);
      document.removeEventListener("focusin", away);
    };
  }, []);
  return (
    <details
      ref={ref}
      class="popup"
      onToggle={(e) => e.currentTarget.open && onOpen?.()}
      onKeyDown={(e) => {
        if (e.key !== "Escape") return;
        e.currentTarget.open = false;
        e.currentTarget.querySelector("summary")?.focus();
      }}
    >
      <summary>{title}</summary>
      <div class="fields" tabIndex={-1}>
        {children}
      </div>
    </details>
  );
}
