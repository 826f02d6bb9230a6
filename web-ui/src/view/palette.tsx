import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Obj } from "../net/types.ts";
import { type Action, actionsFor } from "../store/actions.ts";
import { inventory } from "../store/collection.ts";
import { begin } from "../store/dialogs.ts";
import { type Entry, find } from "../store/find.ts";
import { go } from "../store/route.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Icon } from "../ui/icon.tsx";
import { paletteOpen } from "./keys.ts";

const MOST = 12;
const WITH_ACTIONS = 40;

interface Item extends Entry {
  run(): void;
}

const query = signal("");
const chosen = signal(0);
const searched = ["vm", "host", "cluster", "pool", "datastore", "template", "network", "folder", "dc"];

const pages: Item[] = Object.entries(t.pages).map(([id, title]) => ({
  key: `page-${id}`,
  text: title,
  hint: t.palette.page,
  icon: id === "home" ? "home" : "menu",
  weight: 0.5,
  run: () => go(id),
}));

const objects = computed<Item[]>(() =>
  inventory
    .placed()
    .filter((o) => searched.includes(o.kind))
    .map((o) => ({ key: o.id, text: o.name, hint: `${t.kind[o.kind]} ${o.id}`, icon: o.kind, weight: 0, run: () => go(o.id) })),
);

const doing = (a: Action, o: Obj): Item => ({
  key: `${a.id}-${o.id}`,
  text: `${a.title.replace("…", "")} ${o.name}`,
  hint: t.palette.action,
  icon: "more",
  weight: -0.5,
  run: () => begin(a, [o]),
});

/** Actions are looked for once a name is in the query: all actions of all objects would be too many. */
function actionItems(q: string): Item[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length < 2) return [];
  return inventory
    .placed()
    .filter((o) => words.some((w) => o.name.toLowerCase().includes(w)))
    .slice(0, WITH_ACTIONS)
    .flatMap((o) => actionsFor(o).map((a) => doing(a, o)));
}

const results = computed(() => find([...objects.value, ...pages, ...actionItems(query.value)], query.value, MOST));

export function Palette() {
  const list = results.value;
  const close = (): void => {
    paletteOpen.value = false;
  };
  const run = (item: Item | undefined): void => {
    close();
    item?.run();
  };
  useEffect(() => {
    query.value = "";
    chosen.value = 0;
  }, []);
  return (
    <Dialog title={t.palette.title} onClose={close} wide>
      <input
        type="text"
        role="combobox"
        class="query"
        autofocus
        aria-label={t.palette.title}
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={list[chosen.value] ? `found-${chosen.value}` : undefined}
        placeholder={t.palette.placeholder}
        value={query.value}
        onInput={(e) => {
          query.value = e.currentTarget.value;
          chosen.value = 0;
        }}
        onKeyDown={(e) => {
          const n = list.length;
          if (e.key === "ArrowDown") chosen.value = n ? (chosen.value + 1) % n : 0;
          else if (e.key === "ArrowUp") chosen.value = n ? (chosen.value + n - 1) % n : 0;
          else if (e.key === "Enter") run(list[chosen.value]);
          else return;
          e.preventDefault();
        }}
      />
      <div id="found" role="listbox" aria-label={t.palette.title} class="found">
        {list.map((x, i) => (
          <div
            key={x.key}
            id={`found-${i}`}
            role="option"
            aria-selected={i === chosen.value}
            onClick={() => run(x)}
            onMouseMove={() => (chosen.value = i)}
          >
            <Icon name={x.icon} /> <span class="name">{x.text}</span> <span class="dim">{x.hint}</span>
          </div>
        ))}
      </div>
      {!list.length && <p class="empty">{t.palette.none}</p>}
      <p class="dim">{t.palette.hint}</p>
    </Dialog>
  );
}
