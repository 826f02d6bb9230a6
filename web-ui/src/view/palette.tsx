import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Icon } from "../ui/icon.tsx";
import { paletteOpen } from "./keys.ts";
import { type Item, itemsFor } from "./palette-items.ts";

const query = signal("");
const chosen = signal(0);
const results = computed(() => itemsFor(query.value));

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
