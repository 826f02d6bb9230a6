// Objects by id as signals: one for the set of ids, one for each object, so that a change of one
// machine redraws one row.
import { type Signal, batch, computed, signal } from "@preact/signals";
import type { Obj } from "../net/types.ts";
import { type Sink, mergePatch } from "../net/watch.ts";

/** A change of these moves an object in a tree; of the others it does not. */
const placing = ["name", "parent", "host", "pool", "lifecycle"];

export class Collection implements Sink {
  private readonly cells = new Map<string, Signal<Obj>>();
  /** Grows with each object that comes or goes. */
  readonly version = signal(0);
  /** Grows when something comes, goes, is renamed or moved, and with nothing else. */
  readonly shape = signal(0);
  /** Is there anything yet? */
  readonly loaded = signal(false);

  get<T extends Obj = Obj>(id: string | null | undefined): T | undefined {
    if (!id) return undefined;
    const cell = this.cells.get(id);
    if (cell) return cell.value as T;
    this.version.value;
    return undefined;
  }

  name(id: string | null | undefined): string {
    return id ? (this.get(id)?.name ?? id) : "";
  }

  all<T extends Obj>(kind: string): T[] {
    this.version.value;
    const out: T[] = [];
    for (const c of this.cells.values()) if (c.value.kind === kind) out.push(c.value as T);
    return out;
  }

  /** Everything as it is now; who asks is told again when the shape changes only. */
  placed(): Obj[] {
    this.shape.value;
    return [...this.cells.values()].map((c) => c.peek());
  }

  snapshot(items: unknown[]): void {
    batch(() => {
      const seen = new Set<string>();
      for (const item of items as Obj[]) {
        seen.add(item.id);
        this.put(item);
      }
      for (const id of [...this.cells.keys()]) if (!seen.has(id)) this.drop(id);
      this.version.value++;
      this.shape.value++;
      this.loaded.value = true;
    });
  }

  delta(set: Record<string, Record<string, unknown>>, del: string[]): void {
    batch(() => {
      for (const [id, patch] of Object.entries(set)) {
        const cell = this.cells.get(id);
        if (!cell) {
          this.put({ ...patch, id } as unknown as Obj);
          continue;
        }
        cell.value = mergePatch(cell.value, patch) as Obj;
        if (placing.some((field) => field in patch)) this.shape.value++;
      }
      for (const id of del) this.drop(id);
      if (del.length) {
        this.version.value++;
        this.shape.value++;
      }
    });
  }

  /** Who still looks at it sees that it is gone. */
  private drop(id: string): void {
    const cell = this.cells.get(id);
    this.cells.delete(id);
    if (cell) cell.value = undefined as unknown as Obj;
  }

  private put(item: Obj): void {
    const cell = this.cells.get(item.id);
    if (cell) {
      cell.value = item;
      return;
    }
    this.cells.set(item.id, signal(item));
    this.version.value++;
    this.shape.value++;
  }
}

export const inventory = new Collection();
export const tasks = new Collection();
export const runningTasks = computed(
  () => tasks.all("task").filter((t) => ["queued", "running"].includes((t as never as { state: string }).state)).length,
);
