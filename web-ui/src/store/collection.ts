// Objects by id as signals: one for the set of ids, one for each object, so that a change of one
// machine redraws one row.
import { type Signal, batch, computed, signal } from "@preact/signals";
import { type Sink, mergePatch } from "../net/watch.ts";
import type { Obj } from "../net/types.ts";

export class Collection implements Sink {
  private readonly cells = new Map<string, Signal<Obj>>();
  /** Grows with each object that comes or goes. */
  readonly version = signal(0);

  get(id: string): Obj | undefined {
    this.version.value;
    return this.cells.get(id)?.value;
  }

  name(id: string | null): string {
    return id ? (this.get(id)?.name ?? id) : "";
  }

  all<T extends Obj>(kind: string): T[] {
    this.version.value;
    const out: T[] = [];
    for (const c of this.cells.values()) if (c.value.kind === kind) out.push(c.value as T);
    return out;
  }

  snapshot(items: unknown[]): void {
    batch(() => {
      const seen = new Set<string>();
      for (const item of items as Obj[]) {
        seen.add(item.id);
        this.put(item);
      }
      for (const id of this.cells.keys()) if (!seen.has(id)) this.cells.delete(id);
      this.version.value++;
    });
  }

  delta(set: Record<string, Record<string, unknown>>, del: string[]): void {
    batch(() => {
      for (const [id, patch] of Object.entries(set)) {
        const cell = this.cells.get(id);
        if (cell) cell.value = mergePatch(cell.value, patch) as Obj;
        else this.put({ ...patch, id } as unknown as Obj);
      }
      for (const id of del) this.cells.delete(id);
      if (del.length) this.version.value++;
    });
  }

  private put(item: Obj): void {
    const cell = this.cells.get(item.id);
    if (cell) {
      cell.value = item;
      return;
    }
    this.cells.set(item.id, signal(item));
    this.version.value++;
  }
}

export const inventory = new Collection();
export const tasks = new Collection();
export const runningTasks = computed(
  () => tasks.all("task").filter((t) => ["queued", "running"].includes((t as never as { state: string }).state)).length,
);
