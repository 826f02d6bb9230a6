import { signal } from "@preact/signals";

export interface Toast {
  id: number;
  level: "info" | "warning" | "error";
  text: string;
}

export const toasts = signal<Toast[]>([]);
let last = 0;

export function say(level: Toast["level"], text: string): void {
  const id = ++last;
  toasts.value = [...toasts.value, { id, level, text }].slice(-5);
  window.setTimeout(() => dismiss(id), level === "error" ? 15_000 : 5_000);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((t) => t.id !== id);
}
