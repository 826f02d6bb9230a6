// Shortcuts of the whole page. Single keys never act inside fields, and can be switched off.
import { signal } from "@preact/signals";
import { menu } from "../store/menu.ts";
import { prefs } from "../store/prefs.ts";
import { go } from "../store/route.ts";
import { session } from "../store/session.ts";

export const paletteOpen = signal(false);
export const helpOpen = signal(false);

const places: Record<string, string> = {
  o: "home",
  h: "hosts",
  v: "vms",
  p: "pools",
  d: "datastores",
  t: "tasks",
  e: "events",
  a: "alarms",
};
const GO_MS = 1500;

function inField(): boolean {
  const at = document.activeElement;
  return (
    at instanceof HTMLInputElement ||
    at instanceof HTMLSelectElement ||
    at instanceof HTMLTextAreaElement ||
    !!document.querySelector("dialog[open]") ||
    !!menu.value
  );
}

/** The tab beside the one that is shown. */
function tabBy(step: number): void {
  const tabs = [...document.querySelectorAll<HTMLElement>(".page [role=tab]")];
  const at = tabs.findIndex((x) => x.getAttribute("aria-selected") === "true");
  tabs[(at + step + tabs.length) % tabs.length]?.click();
}

export function followKeys(): void {
  let wentAt = Number.NEGATIVE_INFINITY;
  document.addEventListener("keydown", (e) => {
    if (!session.value) return;
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
      e.preventDefault();
      paletteOpen.value = !paletteOpen.value;
      return;
    }
    if (e.ctrlKey && e.key === ".") {
      e.preventDefault();
      prefs.dockOpen.value = !prefs.dockOpen.value;
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || inField() || !prefs.shortcuts.value) return;
    const place = e.timeStamp - wentAt < GO_MS ? places[e.key] : undefined;
    wentAt = e.key === "g" ? e.timeStamp : Number.NEGATIVE_INFINITY;
    if (place) go(place);
    else if (e.key === "/") document.getElementById("filter")?.focus();
    else if (e.key === "?") helpOpen.value = true;
    else if (e.key === "[") tabBy(-1);
    else if (e.key === "]") tabBy(1);
    else return;
    e.preventDefault();
  });
}
