// The menu that is open at a place of the screen.
import { signal } from "@preact/signals";
import type { Obj } from "../net/types.ts";

export interface OpenMenu {
  objects: Obj[];
  x: number;
  y: number;
  /** Where the keyboard goes when it closes. */
  back: HTMLElement | null;
}

export const menu = signal<OpenMenu | null>(null);

export function openMenu(objects: Obj[], at: { x: number; y: number } | HTMLElement): void {
  const back = document.activeElement instanceof HTMLElement ? document.activeElement : null;
  if (at instanceof HTMLElement) {
    const box = at.getBoundingClientRect();
    menu.value = { objects, x: box.left, y: box.bottom, back };
  } else menu.value = { objects, ...at, back };
}
