// How the list of all guests looks: what the address says, and views that are kept on the server under a name.
import { signal } from "@preact/signals";
import { call } from "../net/api.ts";

export interface Sort {
  id: string;
  down: boolean;
}

export interface Look {
  sort: Sort;
  /** Ids of the columns, as they stand. */
  columns: string[];
  /** The column whose values make groups; none: "". */
  group: string;
}

/** A list as it was called: the part of the address behind the question mark. */
export interface View {
  name: string;
  query: string;
}

/** What of the address belongs to a view. */
const FIELDS = ["q", "sort", "columns", "group"];

/** Names that nobody knows (any more) are left out; the first column is always there. */
export function readLook(query: URLSearchParams, known: string[], shown: string[]): Look {
  const asked = (query.get("columns") ?? "").split(",").filter((id) => known.includes(id));
  const first = known[0] ?? "";
  const columns = asked.length ? [first, ...asked.filter((id) => id !== first)] : shown;
  const sort = query.get("sort") ?? "";
  const id = sort.replace(/^-/, "");
  const group = query.get("group") ?? "";
  return {
    columns,
    sort: known.includes(id) ? { id, down: sort.startsWith("-") } : { id: first, down: false },
    group: known.includes(group) ? group : "",
  };
}

export const sortText = (s: Sort): string => `${s.down ? "-" : ""}${s.id}`;

export function queryOf(all: URLSearchParams): string {
  const kept = new URLSearchParams();
  for (const f of FIELDS) if (all.get(f)) kept.set(f, all.get(f) ?? "");
  return kept.toString();
}

export interface Group<T> {
  key: string;
  rows: T[];
}

const collator = new Intl.Collator("en", { numeric: true });

/** Each value with what has it, in the order of the values; within a group the order stays. */
export function groupsOf<T>(rows: T[], key: (x: T) => string): Group<T>[] {
  const map = new Map<string, T[]>();
  for (const row of rows) {
    const group = map.get(key(row));
    if (group) group.push(row);
    else map.set(key(row), [row]);
  }
  return [...map].map(([k, list]) => ({ key: k, rows: list })).sort((a, b) => collator.compare(a.key, b.key));
}

const PATH = "/users/current/preferences";

/** null: not looked at yet. */
export const views = signal<View[] | null>(null);

export async function loadViews(): Promise<void> {
  views.value = (await call<{ views?: View[] }>("GET", PATH)).views ?? [];
}

async function store(list: View[]): Promise<void> {
  views.value = (await call<{ views?: View[] }>("PATCH", PATH, { views: list })).views ?? [];
}

/** One of the same name is replaced. */
export async function saveView(v: View): Promise<void> {
  await loadViews();
  const others = (views.value ?? []).filter((x) => x.name !== v.name);
  await store([...others, v].sort((a, b) => collator.compare(a.name, b.name)));
}

export async function dropView(name: string): Promise<void> {
  await loadViews();
  await store((views.value ?? []).filter((x) => x.name !== name));
}
