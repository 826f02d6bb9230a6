// All guests: filter, sort, act on many.
import { computed, signal } from "@preact/signals";
import type { Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { begin, open } from "../store/dialogs.ts";
import { parseFilter } from "../store/filter.ts";
import { route, setQuery } from "../store/route.ts";
import { meant } from "../store/selection.ts";
import { mayOperate } from "../store/session.ts";
import { rowOf } from "../store/tags.ts";
import { t } from "../text/en.ts";
import { offered } from "../ui/menu.tsx";
import { ObjectTable } from "../ui/table.tsx";
import { csv, download } from "../ui/text.ts";
import { vmColumns } from "./columns.tsx";
import { dropHandlers, startDrag } from "./drag.ts";

const selected = signal<ReadonlySet<string>>(new Set());
const text = computed(() => route.value.query.get("q") ?? "");
const parsed = computed(() => parseFilter(text.value));
const all = computed(() => inventory.all<Vm>("vm"));
const rows = computed(() => {
  const test = parsed.value;
  return typeof test === "function" ? all.value.filter((vm) => test(rowOf(vm))) : all.value;
});
const chosen = computed(() => rows.value.filter((vm) => selected.value.has(vm.id)));
const ids = (): string[] => chosen.value.map((vm) => vm.id);

function Bulk() {
  const vms = chosen.value;
  if (!vms.length) return null;
  return (
    <div class="bulk" role="toolbar" aria-label={t.list.bulk}>
      <strong>{t.list.selected(vms.length)}</strong>
      {offered(vms).map((a) => (
        <button key={a.id} type="button" onClick={() => begin(a, vms)}>
          {a.title} ({vms.filter((vm) => a.fits(vm)).length})
        </button>
      ))}
      <button type="button" class="plain" onClick={() => (selected.value = new Set())}>
        {t.list.clear}
      </button>
    </div>
  );
}

function exportCsv(): void {
  const head = [...vmColumns.map((c) => c.title), "Id"];
  download("machines.csv", csv([head, ...rows.value.map((vm) => [...vmColumns.map((c) => c.value(vm)), vm.id])]));
}

export function Fleet() {
  const bad = typeof parsed.value === "function" ? null : parsed.value.bad;
  const total = all.value.length;
  return (
    <section class="page list" aria-labelledby="title">
      <header class="bar-top">
        <h1 id="title">{t.pages.vms}</h1>
        <input
          id="filter"
          type="search"
          aria-label={t.list.filter}
          aria-invalid={bad !== null}
          placeholder={t.list.filter}
          value={text.value}
          onInput={(e) => setQuery("q", e.currentTarget.value)}
        />
        <span class={bad ? "problem" : "dim"} role="status">
          {bad ? t.list.bad(bad) : t.list.shown(rows.value.length, total)}
        </span>
        <span class="grow" />
        {rows.value.length > 0 && (
          <button type="button" onClick={exportCsv}>
            {t.list.export}
          </button>
        )}
        {mayOperate() && (
          <button type="button" class="primary" onClick={() => open("new-vm", [])}>
            {t.list.create}
          </button>
        )}
      </header>
      {mayOperate() && <Bulk />}
      <ObjectTable
        label={t.pages.vms ?? ""}
        objects={rows}
        columns={vmColumns}
        selected={selected}
        row={(vm) => ({
          draggable: mayOperate(),
          onDragStart: (e: DragEvent) => startDrag(e, meant(ids(), vm.id)),
          ...dropHandlers(vm.id),
        })}
        empty={total ? t.list.noMatch : t.list.addFirst}
      />
    </section>
  );
}
