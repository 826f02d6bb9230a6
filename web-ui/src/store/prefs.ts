// What is remembered in this browser: a signal for each setting.
import { type Signal, effect, signal } from "@preact/signals";

function stored<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(key);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function pref<T>(key: string, fallback: T): Signal<T> {
  const s = signal(stored(`drover.${key}`, fallback));
  effect(() => {
    try {
      localStorage.setItem(`drover.${key}`, JSON.stringify(s.value));
    } catch {
      // Storage that is full or forbidden: the setting lasts as long as the page.
    }
  });
  return s;
}

export const prefs = {
  treeOpen: pref("tree.open", true),
  treeWidth: pref("tree.width", 270),
  treeView: pref<"hosts" | "vms" | "pools" | "storage">("tree.view", "hosts"),
  treeExpanded: pref<string[]>("tree.expanded", []),
  dockOpen: pref("dock.open", true),
  dockHeight: pref("dock.height", 190),
  dockTab: pref<"tasks" | "alarms" | "events" | "commands">("dock.tab", "tasks"),
  theme: pref<"auto" | "light" | "dark" | "contrast">("theme", "auto"),
  shortcuts: pref("shortcuts", true),
};
