// Guests dragged onto a host, pool, folder or datacenter: asked first whether they fit, and told where they hover.
import { signal } from "@preact/signals";
import { call } from "../net/api.ts";
import type { MoveCheck, Obj, Pool, Rule, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { above, clusterOf, shortages, wishesAgainst } from "../store/drop.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { textOf } from "../ui/text.ts";

/** warns: it may be done, but somebody wished otherwise, or some of them cannot go. */
export type Verdict = "looking" | "fits" | "warns" | "refused";

interface Judged {
  verdict: Verdict;
  text: string;
  /** All that speaks against it, of each guest. */
  notes: string[];
  /** Those that would go. */
  able: string[];
}

export interface Drag extends Judged {
  vms: string[];
  over: string;
  x: number;
  y: number;
}

export const dragged = signal<Drag | null>(null);
let checks = new Map<string, Promise<MoveCheck[]>>();

const looking: Judged = { verdict: "looking", text: "", notes: [], able: [] };

export function pickUp(vms: string[]): void {
  checks = new Map();
  dragged.value = { vms, over: "", x: 0, y: 0, ...looking };
}

export function startDrag(e: DragEvent, vms: string[]): void {
  pickUp(vms);
  e.dataTransfer?.setData("text/plain", vms.map((id) => inventory.name(id)).join(", "));
  if (e.dataTransfer) e.dataTransfer.effectAllowed = "move";
}

/** One question for all hosts, as the dialog asks it. */
function check(vm: string): Promise<MoveCheck[]> {
  const asked = checks.get(vm) ?? call<{ items: MoveCheck[] }>("POST", `/vms/${vm}/migrate-check`, {}).then((r) => r.items);
  checks.set(vm, asked);
  return asked;
}

type Note = { vm: Vm; why: string; may?: boolean };

async function ontoHost(guests: Vm[], host: Obj): Promise<Note[]> {
  const rules = inventory.all<Rule>("rule");
  const notes = await Promise.all(
    guests.map(async (vm): Promise<Note[]> => {
      if (vm.host === host.id) return [{ vm, why: t.drop.already }];
      const found = (await check(vm.id)).find((c) => c.host === host.id);
      if (!found?.possible) return (found?.obstacles ?? [t.drop.noHost]).map((why) => ({ vm, why }));
      return wishesAgainst(vm.id, host.id, rules, (id) => inventory.get(id)).map((r) => ({ vm, why: t.drop.wish(r.name), may: true }));
    }),
  );
  return notes.flat();
}

function intoPool(guests: Vm[], pool: Pool): Note[] {
  const find = (id: string | null | undefined): Obj | undefined => inventory.get(id);
  const cluster = above(pool, "cluster", find);
  const own = guests.filter((vm) => clusterOf(vm, find)?.id === cluster?.id && vm.pool !== pool.id);
  const lacking = shortages(own, pool, inventory.all<Pool>("pool"), inventory.all<Vm>("vm"), find);
  return [
    ...guests.filter((vm) => vm.pool === pool.id).map((vm) => ({ vm, why: t.drop.already })),
    ...guests.filter((vm) => clusterOf(vm, find)?.id !== cluster?.id).map((vm) => ({ vm, why: t.drop.elsewhere(cluster?.name ?? "") })),
    ...lacking.map((s) => ({ vm: s.vm, why: t.drop.noRoom(textOf[s.of](s.needs), textOf[s.of](Math.max(0, s.left))) })),
  ];
}

function intoFolder(guests: Vm[], folder: Obj): Note[] {
  const find = (id: string | null | undefined): Obj | undefined => inventory.get(id);
  const dc = above(folder, "dc", find);
  return guests.flatMap((vm): Note[] => {
    if (vm.parent === folder.id) return [{ vm, why: t.drop.already }];
    return above(vm, "dc", find)?.id === dc?.id ? [] : [{ vm, why: t.drop.elsewhere(dc?.name ?? "") }];
  });
}

async function judge(vms: string[], target: string): Promise<Judged> {
  const o = inventory.get(target);
  const guests = vms.map((id) => inventory.get<Vm>(id)).filter((vm) => vm !== undefined);
  if (!o || !guests.length) return { ...looking, verdict: "refused", text: t.drop.gone };
  const notes = o.kind === "host" ? await ontoHost(guests, o) : o.kind === "pool" ? intoPool(guests, o as Pool) : intoFolder(guests, o);
  const able = guests.filter((vm) => !notes.some((n) => n.vm === vm && !n.may));
  const one = guests.length === 1 ? guests[0]?.name : undefined;
  return {
    verdict: able.length ? (notes.length ? "warns" : "fits") : "refused",
    text: one ? (able.length ? t.drop.fits : t.drop.not)(one, o.name) : t.drop.many(able.length, guests.length, o.name),
    notes: notes.map((n) => (one ? n.why : `${n.vm.name}: ${n.why}`)),
    able: able.map((vm) => vm.id),
  };
}

export async function hover(target: string, at: { clientX: number; clientY: number }): Promise<void> {
  const now = dragged.value;
  if (!now || now.over === target) return;
  dragged.value = { ...now, ...looking, over: target, x: at.clientX, y: at.clientY, text: t.drop.checking };
  const judged = await judge(now.vms, target).catch((e: Error) => ({ ...looking, verdict: "refused" as const, text: e.message }));
  if (dragged.value?.over === target) dragged.value = { ...dragged.value, ...judged };
}

/** Those that can go, go; of the others is told why they stay. */
export async function drop(target: string): Promise<void> {
  const vms = dragged.value?.vms ?? [];
  dragged.value = null;
  try {
    const { able, text, notes } = await judge(vms, target);
    if (able.length < vms.length) say("warning", [text, ...notes].join("; "));
    await Promise.all(
      able.map((id) =>
        (target.startsWith("host-")
          ? call("POST", `/vms/${id}/migrate`, { host: target })
          : call("PATCH", `/vms/${id}`, target.startsWith("pool-") ? { pool: target } : { parent: target })
        ).catch((e: Error) => say("error", `${inventory.name(id)}: ${e.message}`)),
      ),
    );
  } catch (e) {
    say("error", (e as Error).message);
  }
}

export const takes = (target: string): boolean => /^(host|pool|folder|dc)-/.test(target);

export function dropHandlers(target: string) {
  if (!takes(target)) return { onDragEnd: () => (dragged.value = null) };
  return {
    onDragOver: (e: DragEvent) => {
      if (!dragged.value) return;
      e.preventDefault();
      void hover(target, e);
    },
    onDrop: (e: DragEvent) => {
      e.preventDefault();
      void drop(target);
    },
    onDragEnd: () => (dragged.value = null),
  };
}
