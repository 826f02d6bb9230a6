// Which dialog is open, about what; and how an action begins.
import { signal } from "@preact/signals";
import type { Obj } from "../net/types.ts";
import { type Action, actionOf, perform } from "./actions.ts";
import { go } from "./route.ts";

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
  | "tags"
  | "task";

/** preset: what its fields begin with instead of what is so. */
export type Preset = Record<string, number>;

export const opened = signal<{ name: DialogName; objects: Obj[]; preset?: Preset } | null>(null);
export const asking = signal<{ action: Action; objects: Obj[] } | null>(null);

export function open(name: DialogName, objects: Obj[], preset: Preset = {}): void {
  opened.value = { name, objects, preset };
}

/** A file of the API's, without leaving the page. */
function save({ path, file }: { path: string; file: string }): void {
  const a = document.createElement("a");
  a.href = `/api/v1${path}`;
  a.download = file;
  a.click();
}

export function begin(action: Action, objects: Obj[]): void {
  const able = objects.filter((o) => actionOf(action, o)?.fits(o));
  const first = able[0];
  if (action.goes && first) go(first.id, action.goes);
  else if (action.saves && first) save(action.saves(first));
  else if (action.opens) open(action.opens, able);
  else if (action.confirm) asking.value = { action, objects: able };
  else void perform(action, able);
}
