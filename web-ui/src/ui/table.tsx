// A sorted, selectable table of objects of one kind; only the rows that can be seen are drawn.
import { type ReadonlySignal, type Signal, useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Obj } from "../net/types.ts";
import { href } from "../store/route.ts";
import { t } from "../text/en.ts";
import { MenuButton, menuHandlers } from "./menu.tsx";
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
  empty: ComponentChildren;
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

export function ObjectTable<T extends Obj>({ label, objects, columns, selected, row, empty }: Props<T>) {
  const sort = useSignal({ id: columns[0]?.id ?? "", down: false });
  const rows = useComputed(() =>
    sorted(
      objects.value,
      columns.find((c) => c.id === sort.value.id),
      sort.value.down,
    ),
  );
  const list = rows.value;
  const { ref, from, to, above, below } = useWindow(list.length, ROW);
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
      <table aria-rowcount={list.length + 1} class="objects">
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
              const on = sort.value.id === c.id;
              return (
                <th key={c.id} class={c.number ? "num" : ""} aria-sort={on ? (sort.value.down ? "descending" : "ascending") : "none"}>
                  <button type="button" class="plain" onClick={() => (sort.value = { id: c.id, down: on && !sort.value.down })}>
                    {c.title}
                    <span aria-hidden="true">{on ? (sort.value.down ? " ▾" : " ▴") : ""}</span>
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
          {list.slice(from, to).map((o, i) => (
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
          ))}
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
