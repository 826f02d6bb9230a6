// A guest dragged onto a host, pool, folder or datacenter: asked first whether it fits, and told where it hovers.
import { signal } from "@preact/signals";
import { call } from "../net/api.ts";
import type { MoveCheck, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";

export type Verdict = "looking" | "fits" | "refused";

export const dragged = signal<{ vm: string; over: string; verdict: Verdict; text: string } | null>(null);
let checks = new Map<string, Promise<MoveCheck[]>>();

export function startDrag(e: DragEvent, id: string): void {
  checks = new Map();
  dragged.value = { vm: id, over: "", verdict: "looking", text: "" };
  e.dataTransfer?.setData("text/plain", inventory.name(id));
  if (e.dataTransfer) e.dataTransfer.effectAllowed = "move";
}

/** One question for all hosts, as the dialog asks it. */
function check(vm: string): Promise<MoveCheck[]> {
  const asked = checks.get(vm) ?? call<{ items: MoveCheck[] }>("POST", `/vms/${vm}/migrate-check`, {}).then((r) => r.items);
  checks.set(vm, asked);
  return asked;
}

async function judge(vm: Vm, target: string): Promise<{ verdict: Verdict; text: string }> {
  const o = inventory.get(target);
  if ([vm.pool, vm.host, vm.parent].includes(target)) return { verdict: "refused", text: t.drop.same(vm.name) };
  if (o && o.kind !== "host") return { verdict: "fits", text: t.drop.fits(vm.name, o.name) };
  const found = (await check(vm.id)).find((c) => c.host === target);
  if (!found?.possible) return { verdict: "refused", text: found?.obstacles.join("; ") ?? "" };
  return { verdict: "fits", text: t.drop.fits(vm.name, o?.name ?? target) };
}

export async function hover(target: string): Promise<void> {
  const now = dragged.value;
  const vm = inventory.get<Vm>(now?.vm);
  if (!now || !vm || now.over === target) return;
  dragged.value = { ...now, over: target, verdict: "looking", text: t.drop.checking };
  const judged = await judge(vm, target).catch((e: Error) => ({ verdict: "refused" as Verdict, text: e.message }));
  if (dragged.value?.over === target) dragged.value = { ...dragged.value, ...judged };
}

export async function drop(target: string): Promise<void> {
  const vm = inventory.get<Vm>(dragged.value?.vm);
  dragged.value = null;
  if (!vm) return;
  try {
    const { verdict, text } = await judge(vm, target);
    if (verdict !== "fits") say("warning", text);
    else if (target.startsWith("host-")) await call("POST", `/vms/${vm.id}/migrate`, { host: target });
    else await call("PATCH", `/vms/${vm.id}`, target.startsWith("pool-") ? { pool: target } : { parent: target });
  } catch (e) {
    say("error", `${vm.name}: ${(e as Error).message}`);
  }
}

export const takes = (target: string): boolean => /^(host|pool|folder|dc)-/.test(target);

export function dropHandlers(target: string) {
  if (!takes(target)) return { onDragEnd: () => (dragged.value = null) };
  return {
    onDragOver: (e: DragEvent) => {
      if (!dragged.value) return;
      e.preventDefault();
      void hover(target);
    },
    onDrop: (e: DragEvent) => {
      e.preventDefault();
      void drop(target);
    },
    onDragEnd: () => (dragged.value = null),
  };
}
