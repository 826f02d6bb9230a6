// A sorted, selectable table of objects of one kind; only the rows that can be seen are drawn.
import { type ReadonlySignal, type Signal, useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Obj } from "../net/types.ts";
import { href } from "../store/route.ts";
import { t } from "../text/en.ts";
import { MenuButton, menuHandlers } from "./menu.tsx";
import { type Sort, groupsOf } from "../store/views.ts";
import { useWindow } from "./virtual.ts";

const ROW = 33;
const collator = new Intl.Collator("en", { numeric: true });

export interface Column<T extends Obj> {
  id: string;
  title: string;
  number?: boolean;
  value(o: T): string | number;
  cell?(o: T): ComponentChildren;
}

interface Props<T extends Obj> {
  label: string;
  objects: ReadonlySignal<T[]>;
  columns: Column<T>[];
  selected?: Signal<ReadonlySet<string>>;
  /** What a row can besides, such as be dragged. */
  row?(o: T): object;
  /** Who remembers how it is sorted; nobody: the table itself. */
  sorting?: { now: ReadonlySignal<Sort>; set(s: Sort): void };
  /** The column whose values stand above the rows that have them. */
  group?: ReadonlySignal<Column<T> | undefined>;
  empty: ComponentChildren;
}

/** A row of the table: an object, or the head of a group. */
type Line<T> = { object: T } | { group: string; n: number; open: boolean };

function linesOf<T extends Obj>(rows: T[], group: Column<T> | undefined, closed: ReadonlySet<string>): Line<T>[] {
  if (!group) return rows.map((object) => ({ object }));
  return groupsOf(rows, (o) => String(group.value(o))).flatMap((g): Line<T>[] => {
    const open = !closed.has(g.key);
    return [{ group: g.key, n: g.rows.length, open }, ...(open ? g.rows.map((object) => ({ object })) : [])];
  });
}

function GroupRow({ line, span, turn }: { line: { group: string; n: number; open: boolean }; span: number; turn: () => void }) {
  return (
    <tr class="group">
      <th colSpan={span} scope="rowgroup">
        <button type="button" class="plain" aria-expanded={line.open} onClick={turn}>
          <span aria-hidden="true">{line.open ? "▾" : "▸"}</span> {line.group || t.list.without} <span class="dim">{line.n}</span>
        </button>
      </th>
    </tr>
  );
}

export function sorted<T extends Obj>(list: T[], column: Column<T> | undefined, down: boolean): T[] {
  if (!column) return list;
  const sign = down ? -1 : 1;
  return [...list].sort((a, b) => {
    const x = column.value(a);
    const y = column.value(b);
    const d = typeof x === "number" ? x - (y as number) : collator.compare(x, String(y));
    return sign * (d || collator.compare(a.name, b.name));
  });
}

export function ObjectTable<T extends Obj>({ label, objects, columns, selected, row, sorting, group, empty }: Props<T>) {
  const own = useSignal<Sort>({ id: columns[0]?.id ?? "", down: false });
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const now = sorting?.now ?? own;
  const setSort =
    sorting?.set ??
    ((s: Sort): void => {
      own.value = s;
    });
  const rows = useComputed(() =>
    sorted(
      objects.value,
      columns.find((c) => c.id === now.value.id),
      now.value.down,
    ),
  );
  const drawn = useComputed(() => linesOf(rows.value, group?.value, closed.value));
  const list = rows.value;
  const lines = drawn.value;
  const sort = now.value;
  const { ref, from, to, above, below } = useWindow(lines.length, ROW);
  const turn = (key: string): void => {
    const next = new Set(closed.value);
    if (!next.delete(key)) next.add(key);
    closed.value = next;
  };
  const span = columns.length + (selected ? 2 : 1);
  const toggle = (id: string): void => {
    if (!selected) return;
    const next = new Set(selected.value);
    if (!next.delete(id)) next.add(id);
    selected.value = next;
  };
  const marked = (o: T): T[] => (selected?.value.has(o.id) ? list.filter((x) => selected.value.has(x.id)) : [o]);

  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0} ref={ref}>
      <table aria-rowcount={lines.length + 1} class="objects">
        <thead>
          <tr>
            {selected && (
              <th>
                <input
                  type="checkbox"
                  aria-label={t.list.selectAll}
                  checked={list.length > 0 && list.every((o) => selected.value.has(o.id))}
                  onChange={(e) => (selected.value = new Set(e.currentTarget.checked ? list.map((o) => o.id) : []))}
                />
              </th>
            )}
            {columns.map((c) => {
              const on = sort.id === c.id;
              return (
                <th key={c.id} class={c.number ? "num" : ""} aria-sort={on ? (sort.down ? "descending" : "ascending") : "none"}>
                  <button type="button" class="plain" onClick={() => setSort({ id: c.id, down: on && !sort.down })}>
                    {c.title}
                    <span aria-hidden="true">{on ? (sort.down ? " ▾" : " ▴") : ""}</span>
                  </button>
                </th>
              );
            })}
            <th>
              <span class="hidden">{t.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {above > 0 && (
            <tr aria-hidden="true">
              <td colSpan={span} style={{ height: `${above}px` }} />
            </tr>
          )}
          {lines.slice(from, to).map((line, i) => {
            if ("group" in line) return <GroupRow key={`group ${line.group}`} line={line} span={span} turn={() => turn(line.group)} />;
            const o = line.object;
            return (
              <tr
                key={o.id}
                aria-rowindex={from + i + 2}
                class={selected?.value.has(o.id) ? "selected" : ""}
                data-id={o.id}
                {...{ [`data-${o.kind}`]: o.id }}
                {...menuHandlers(() => marked(o))}
                {...row?.(o)}
              >
                {selected && (
                  <td>
                    <input
                      type="checkbox"
                      aria-label={t.list.select(o.name)}
                      checked={selected.value.has(o.id)}
                      onChange={() => toggle(o.id)}
                    />
                  </td>
                )}
                {columns.map((c) => (
                  <td key={c.id} class={c.number ? "num" : ""}>
                    {c.cell ? c.cell(o) : c.value(o)}
                  </td>
                ))}
                <td>
                  <MenuButton object={o} />
                </td>
              </tr>
            );
          })}
          {below > 0 && (
            <tr aria-hidden="true">
              <td colSpan={span} style={{ height: `${below}px` }} />
            </tr>
          )}
        </tbody>
      </table>
      {!list.length && <p class="empty">{empty}</p>}
    </div>
  );
}

export const link = (o: Obj): ComponentChildren => (
  <a href={href(o.id)} class="strong" title={o.id}>
    {o.name}
  </a>
);
