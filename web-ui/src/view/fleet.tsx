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
import { readLook, sortText } from "../store/views.ts";
import { t } from "../text/en.ts";
import { offered } from "../ui/menu.tsx";
import { Popup } from "../ui/popup.tsx";
import { ObjectTable } from "../ui/table.tsx";
import { csv, download } from "../ui/text.ts";
import { moreVmColumns, vmColumns } from "./columns.tsx";
import { dropHandlers, startDrag } from "./drag.ts";
import { Views } from "./views.tsx";

const selected = signal<ReadonlySet<string>>(new Set());
const text = computed(() => route.value.query.get("q") ?? "");
const parsed = computed(() => parseFilter(text.value));
const all = computed(() => inventory.all<Vm>("vm"));
const rows = computed(() => {
  const test = parsed.value;
  return typeof test === "function" ? all.value.filter((vm) => test(rowOf(vm))) : all.value;
});
const chosen = computed(() => rows.value.filter((vm) => selected.value.has(vm.id)));
const known = [...vmColumns, ...moreVmColumns];
const look = computed(() =>
  readLook(
    route.value.query,
    known.map((c) => c.id),
    vmColumns.map((c) => c.id),
  ),
);
const columns = computed(() => known.filter((c) => look.value.columns.includes(c.id)));
const sort = computed(() => look.value.sort);
const group = computed(() => known.find((c) => c.id === look.value.group));
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

/** As it is shown, and the ids. */
function exportCsv(): void {
  const head = [...columns.value.map((c) => c.title), "Id"];
  download("machines.csv", csv([head, ...rows.value.map((vm) => [...columns.value.map((c) => c.value(vm)), vm.id])]));
}

/** All that the server says of them. */
function exportJson(): void {
  download("machines.json", `${JSON.stringify(rows.value, null, 2)}\n`, "application/json");
}

function setColumns(chosen: string[]): void {
  const usual = vmColumns.map((c) => c.id);
  const same = chosen.length === usual.length && usual.every((id) => chosen.includes(id));
  setQuery("columns", same ? "" : chosen.join(","));
}

/** Which columns there are, and which makes groups. */
function Chooser() {
  const shown = look.value.columns;
  return (
    <Popup title={t.list.columns}>
      <label>
        {t.list.groupBy}
        <select value={look.value.group} onChange={(e) => setQuery("group", e.currentTarget.value)}>
          <option value="">{t.list.noGroups}</option>
          {known
            .filter((c) => !c.number && c.id !== "name")
            .map((c) => (
              <option key={c.id} value={c.id}>
                {c.title}
              </option>
            ))}
        </select>
      </label>
      {known.slice(1).map((c) => (
        <label key={c.id} class="check">
          <input
            type="checkbox"
            checked={shown.includes(c.id)}
            onChange={() => setColumns(shown.includes(c.id) ? shown.filter((id) => id !== c.id) : [...shown, c.id])}
          />{" "}
          {c.title}
        </label>
      ))}
    </Popup>
  );
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
        <span class={bad ? "count problem" : "count dim"} role="status">
          {bad ? t.list.bad(bad) : t.list.shown(rows.value.length, total)}
        </span>
        <span class="grow" />
        <Views place="vms" />
        <Chooser />
        <Popup title={t.list.exportAs}>
          <button type="button" disabled={!rows.value.length} onClick={exportCsv}>
            {t.list.export}
          </button>
          <button type="button" disabled={!rows.value.length} onClick={exportJson}>
            {t.list.exportJson}
          </button>
        </Popup>
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
        columns={columns.value}
        sorting={{ now: sort, set: (s) => setQuery("sort", s.id === "name" && !s.down ? "" : sortText(s)) }}
        group={group}
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
