// Which dialog is open, about what; and how an action begins.
import { signal } from "@preact/signals";
import type { Obj } from "../net/types.ts";
import { type Action, perform } from "./actions.ts";

export type DialogName =
  | "migrate"
  | "snapshots"
  | "clone"
  | "counters"
  | "edit-vm"
  | "edit-pool"
  | "edit-cluster"
  | "edit-template"
  | "rename"
  | "new-vm"
  | "new-pool"
  | "new-rule"
  | "new-folder"
  | "add-host"
  | "maintenance"
  | "task";

export const opened = signal<{ name: DialogName; objects: Obj[] } | null>(null);
export const asking = signal<{ action: Action; objects: Obj[] } | null>(null);

export function open(name: DialogName, objects: Obj[]): void {
  opened.value = { name, objects };
}

export function begin(action: Action, objects: Obj[]): void {
  const able = objects.filter((o) => action.fits(o));
  if (action.opens) open(action.opens, able);
  else if (action.confirm) asking.value = { action, objects: able };
  else void perform(action, able);
}
