// The shell line of each change that was made here, newest first.
import { signal } from "@preact/signals";
import { type Change, isLogin } from "../net/api.ts";
import type { Obj } from "../net/types.ts";
import { accounts } from "./accounts.ts";
import { remember } from "./again.ts";
import { inventory } from "./collection.ts";
import { type Names, echo } from "./echo.ts";

const KEPT = 200;

export interface Command {
  id: number;
  at: string;
  line: string;
}

export const commands = signal<Command[]>([]);
let last = 0;

const names: Names = (id) => {
  const account = accounts.value.find((a) => a.id === id);
  if (account) return { name: account.name, kind: "user", unique: true };
  const o = inventory.get<Obj & { vm?: string }>(id);
  if (!o) return null;
  const unique = inventory.placed().filter((x) => x.kind === o.kind && x.name === o.name).length === 1;
  return { name: o.name, kind: o.kind, unique, vm: o.vm ?? null };
};

export const lineOf = (method: string, path: string, body: unknown): string =>
  echo(method, path, body, names) ?? `# no cmdlet does this: ${method} /api/v1${path}`;

/** What only looks is no command. */
const looks = /(-check|\/ha\/test|\/placements|\/ticket|\/alarm-previews|\/preferences)$/;

const keyOf = (c: Change): string => `${c.method} ${c.path} ${JSON.stringify(c.body)}`;
/** Their lines from before they were sent: what is removed has no name any more when the answer comes. */
let onWay = new Map<string, string>();

export function note(method: string, path: string, body: unknown, answer?: unknown): void {
  const task = (answer as { task?: { id: string } } | null | undefined)?.task?.id;
  if (task) remember(task, { method, path, body });
  if (looks.test(path) || (body as { simulate?: boolean } | undefined)?.simulate) return;
  const line = onWay.get(keyOf({ method, path, body })) ?? lineOf(method, path, body);
  commands.value = [{ id: ++last, at: new Date().toISOString(), line }, ...commands.value].slice(0, KEPT);
}

/** What was sent and is not answered yet. */
export const onTheirWay = signal<string[]>([]);

export function follow(changes: Change[]): void {
  const shown = changes.filter((c) => !looks.test(c.path) && !isLogin(c.path));
  onWay = new Map(shown.map((c) => [keyOf(c), onWay.get(keyOf(c)) ?? lineOf(c.method, c.path, c.body)]));
  onTheirWay.value = [...onWay.values()];
}

/** All of them as a script, oldest first. */
export const script = (): string =>
  [...commands.value]
    .reverse()
    .map((c) => `${c.line}\n`)
    .join("");
