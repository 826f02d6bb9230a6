// The inventory on the left: one tab stop, arrows, type-ahead, only what can be seen is drawn.
import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Obj, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { openMenu } from "../store/menu.ts";
import { prefs } from "../store/prefs.ts";
import { go, route } from "../store/route.ts";
import { NOTHING, type Selection, choose, meant, modeOf } from "../store/selection.ts";
import { mayOperate } from "../store/session.ts";
import { type Leaf, type TreeRow, type TreeView, buildTree, filterTree, pathTo, treeRows } from "../store/tree.ts";
import { t } from "../text/en.ts";
import { Icon } from "../ui/icon.tsx";
import { lookOf } from "../ui/state.tsx";
import { useWindow } from "../ui/virtual.ts";
import { AlarmMark } from "./alarms.tsx";
import { dragged, dropHandlers, startDrag } from "./drag.ts";

const ROW = 26;
const AHEAD_MS = 700;

const filter = signal("");
const cursor = signal("");
const selection = signal<Selection>(NOTHING);
const whole = computed(() => buildTree(inventory.placed() as Leaf[], prefs.treeView.value));
/** Closed ones are remembered: what is new stands open down to the hosts. */
const expanded = computed(() => new Set(prefs.treeExpanded.value));
const rows = computed(() => {
  const shown = filterTree(whole.value, filter.value);
  return treeRows(shown, expanded.value, filter.value.trim() !== "");
});

/** What is hidden by the filter or in a closed one is not acted upon. */
const chosen = computed(() => rows.value.filter((r) => selection.value.ids.has(r.id)).map((r) => r.id));
const objectsOf = (ids: string[]): Obj[] => ids.map((id) => inventory.get(id)).filter((o) => o !== undefined);
const rowIds = (): string[] => rows.value.map((r) => r.id);
const isVm = (id: string): boolean => id.startsWith("vm-");

function setOpen(id: string, isOpen: boolean): void {
  const next = new Set(prefs.treeExpanded.value);
  if (isOpen) next.add(id);
  else next.delete(id);
  prefs.treeExpanded.value = [...next];
}

/** What one has come to by a link is shown with its ancestors open. */
function reveal(id: string): void {
  const path = pathTo(whole.peek(), id);
  const missing = path?.filter((p) => !expanded.peek().has(p)) ?? [];
  if (missing.length) prefs.treeExpanded.value = [...prefs.treeExpanded.value, ...missing];
}

function Row({ row }: { row: TreeRow }) {
  const o = inventory.get(row.id);
  if (!o) return null;
  const here = route.value.place === row.id;
  const marked = selection.value.ids.size > 1 ? selection.value.ids.has(row.id) : here;
  const look = lookOf(o);
  const isContainer = (o as Partial<Vm>).guest_type === "container" && o.kind === "vm";
  return (
    <div
      id={`tree-${row.id}`}
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-selected={marked}
      aria-current={here ? "page" : undefined}
      {...(row.open === null ? {} : { "aria-expanded": row.open })}
      class={`leaf ${here ? "here" : ""} ${marked ? "selected" : ""} ${cursor.value === row.id ? "cursor" : ""} ${dragged.value?.over === row.id ? `drop ${dragged.value.verdict}` : ""}`}
      style={{ paddingLeft: `${(row.level - 1) * 16 + 4}px` }}
      draggable={o.kind === "vm" && mayOperate()}
      data-id={row.id}
      onDragStart={(e) => startDrag(e, meant(chosen.value, row.id).filter(isVm))}
      {...dropHandlers(row.id)}
      onClick={(e) => {
        const mode = modeOf(e);
        cursor.value = row.id;
        selection.value = choose(rowIds(), selection.value, row.id, mode);
        if (mode === "only") go(row.id);
      }}
      onDblClick={() => row.open !== null && setOpen(row.id, !row.open)}
      onContextMenu={(e) => {
        e.preventDefault();
        cursor.value = row.id;
        openMenu(objectsOf(meant(chosen.value, row.id)), { x: e.clientX, y: e.clientY });
      }}
    >
      <span
        class="twist"
        aria-hidden="true"
        onClick={(e) => {
          e.stopPropagation();
          if (row.open !== null) setOpen(row.id, !row.open);
        }}
      >
        {row.open === null ? "" : row.open ? "▾" : "▸"}
      </span>
      <Icon name={isContainer ? "container" : o.kind} />
      {look && (
        <span class={`glyph ${look.tone}`} title={look.text}>
          <span aria-hidden="true">{look.glyph}</span>
          <span class="hidden">{look.text}</span>
        </span>
      )}
      <span class="name">{o.name}</span>
      <AlarmMark id={row.id} />
    </div>
  );
}

let ahead = { text: "", at: 0 };

function onKey(e: KeyboardEvent): void {
  const list = rows.value;
  const at = list.findIndex((r) => r.id === cursor.value);
  const row = list[at];
  const move = (to: number): void => {
    const from = cursor.value;
    cursor.value = list[Math.max(0, Math.min(list.length - 1, to))]?.id ?? "";
    const anchor = e.shiftKey && selection.value.ids.size ? selection.value.anchor : e.shiftKey ? from : cursor.value;
    selection.value = { ...selection.value, anchor };
    if (e.shiftKey) selection.value = choose(rowIds(), selection.value, cursor.value, "range");
  };
  if (e.key === "ArrowDown") move(at + 1);
  else if (e.key === "ArrowUp") move(at - 1);
  else if (e.key === "Home") move(0);
  else if (e.key === "End") move(list.length - 1);
  else if (e.key === "ArrowRight" && row?.open === false) setOpen(row.id, true);
  else if (e.key === "ArrowRight" && row?.open) move(at + 1);
  else if (e.key === "ArrowLeft" && row?.open) setOpen(row.id, false);
  else if (e.key === "ArrowLeft" && row) cursor.value = list.slice(0, at).findLast((r) => r.level < row.level)?.id ?? row.id;
  else if (e.key === "Enter" && row) {
    selection.value = choose(rowIds(), selection.value, row.id, "only");
    go(row.id);
  } else if (e.key === " " && row) selection.value = choose(rowIds(), selection.value, row.id, e.shiftKey ? "range" : "toggle");
  else if (e.key === "Escape" && selection.value.ids.size) selection.value = NOTHING;
  else if (e.key.toLowerCase() === "a" && (e.ctrlKey || e.metaKey)) selection.value = { ids: new Set(rowIds()), anchor: cursor.value };
  else if ((e.key === "ContextMenu" || (e.key === "F10" && e.shiftKey) || e.key === ".") && row) {
    const el = document.getElementById(`tree-${row.id}`);
    if (el) openMenu(objectsOf(meant(chosen.value, row.id)), el);
  } else if (e.key.length === 1 && !e.ctrlKey && !e.metaKey && e.key !== "/" && e.key !== "?") {
    ahead = { text: e.timeStamp - ahead.at < AHEAD_MS ? ahead.text + e.key : e.key, at: e.timeStamp };
    const from = ahead.text.length === 1 ? at + 1 : Math.max(0, at);
    const found = [...list.slice(from), ...list].find((r) => r.name.toLowerCase().startsWith(ahead.text.toLowerCase()));
    if (found) cursor.value = found.id;
  } else return;
  e.preventDefault();
  e.stopPropagation();
}

/** What can be done to all that are chosen, as in the list of all guests. */
function Several() {
  const ids = chosen.value;
  if (ids.length < 2) return null;
  return (
    <div class="several" role="toolbar" aria-label={t.list.bulk}>
      <strong role="status">{t.tree.selected(ids.length)}</strong>
      <button type="button" class="small" aria-haspopup="menu" onClick={(e) => openMenu(objectsOf(ids), e.currentTarget)}>
        {t.actions} ▾
      </button>
      <button type="button" class="plain small" aria-label={t.tree.clear} title={t.tree.clear} onClick={() => (selection.value = NOTHING)}>
        ×
      </button>
    </div>
  );
}

const views = Object.keys(t.tree.views) as TreeView[];
const viewIcons: Record<TreeView, string> = { hosts: "host", vms: "vm", pools: "pool", storage: "datastore" };

export function Tree() {
  const list = rows.value;
  const { ref, from, to, above, below } = useWindow(list.length, ROW);
  useEffect(() => {
    reveal(route.value.place);
    if (inventory.get(route.value.place)) cursor.value = route.value.place;
  }, [route.value.place, whole.value.length, prefs.treeView.value]);
  useEffect(() => {
    // The first look shows more than a closed datacenter.
    if (!prefs.treeExpanded.value.length && list.length)
      prefs.treeExpanded.value = inventory
        .placed()
        .filter((o) => ["dc", "cluster"].includes(o.kind))
        .map((o) => o.id);
  }, [list.length]);
  useEffect(() => {
    const box = ref.current;
    const at = rows.peek().findIndex((r) => r.id === cursor.value);
    if (!box || at < 0) return;
    if (at * ROW < box.scrollTop) box.scrollTop = at * ROW;
    else if ((at + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (at + 1) * ROW - box.clientHeight;
  }, [cursor.value]);
  const visible = list.slice(from, to);
  return (
    <nav class="inventory" aria-label={t.tree.label}>
      <div class="views" role="group" aria-label={t.tree.label}>
        {views.map((v) => (
          <button
            key={v}
            type="button"
            aria-pressed={prefs.treeView.value === v}
            title={t.tree.views[v]}
            aria-label={t.tree.views[v]}
            onClick={() => (prefs.treeView.value = v)}
          >
            <Icon name={viewIcons[v]} />
          </button>
        ))}
      </div>
      <input
        type="search"
        aria-label={t.tree.filter}
        placeholder={t.tree.filter}
        value={filter.value}
        onInput={(e) => (filter.value = e.currentTarget.value)}
      />
      <Several />
      <div
        ref={ref}
        class="leaves"
        role="tree"
        aria-multiselectable="true"
        tabIndex={0}
        aria-label={t.tree.views[prefs.treeView.value]}
        aria-activedescendant={visible.some((r) => r.id === cursor.value) ? `tree-${cursor.value}` : undefined}
        onKeyDown={onKey}
      >
        <div role="presentation" style={{ height: `${above}px` }} />
        {visible.map((r) => (
          <Row key={r.id} row={r} />
        ))}
        <div role="presentation" style={{ height: `${below}px` }} />
      </div>
      {!list.length && inventory.loaded.value && <p class="empty">{filter.value ? t.tree.none : t.tree.empty}</p>}
    </nav>
  );
}
