// The context menu: what the action table offers for the objects, by mouse and by keyboard.
import { useEffect, useRef } from "preact/hooks";
import type { Obj } from "../net/types.ts";
import { type Action, actionsFor } from "../store/actions.ts";
import { begin } from "../store/dialogs.ts";
import { menu, openMenu } from "../store/menu.ts";
import { t } from "../text/en.ts";
import { Icon } from "./icon.tsx";

/** For one: all it can. For several: what can be done to many at once. */
export function offered(objects: Obj[]): Action[] {
  const seen = new Map<string, Action>();
  for (const o of objects) for (const a of actionsFor(o)) if (objects.length === 1 || a.request || a.bulk) seen.set(a.id, a);
  return [...seen.values()];
}

export function Menu() {
  const ref = useRef<HTMLDivElement>(null);
  const now = menu.value;
  useEffect(() => {
    const box = ref.current;
    if (!now || !box) return;
    const r = box.getBoundingClientRect();
    box.style.left = `${Math.max(4, Math.min(now.x, window.innerWidth - r.width - 4))}px`;
    box.style.top = `${Math.max(4, Math.min(now.y, window.innerHeight - r.height - 4))}px`;
    box.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const away = (e: Event): void => {
      if (!box.contains(e.target as Node)) menu.value = null;
    };
    window.addEventListener("pointerdown", away, true);
    window.addEventListener("resize", away);
    return () => {
      window.removeEventListener("pointerdown", away, true);
      window.removeEventListener("resize", away);
    };
  }, [now]);
  if (!now) return null;

  const close = (): void => {
    menu.value = null;
    now.back?.focus();
  };
  const items = offered(now.objects);
  const onKey = (e: KeyboardEvent): void => {
    const all = [...(ref.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 };
    const to = steps[e.key];
    if (to !== undefined) all[to % all.length]?.focus();
    else if (e.key === "Escape" || e.key === "Tab") close();
    else if (e.key.length === 1) {
      const k = e.key.toLowerCase();
      [...all.slice(at + 1), ...all].find((x) => x.textContent?.toLowerCase().startsWith(k))?.focus();
    } else return;
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <div ref={ref} class="menu" role="menu" aria-label={t.actions} tabIndex={-1} onKeyDown={onKey}>
      {items.map((a, i) => (
        <button
          key={a.id}
          type="button"
          role="menuitem"
          tabIndex={-1}
          class={`${a.apart && i ? "apart" : ""} ${a.danger ? "risky" : ""}`}
          onClick={() => {
            close();
            begin(a, now.objects);
          }}
        >
          {a.title}
        </button>
      ))}
      {!items.length && <p class="dim">{t.list.none}</p>}
    </div>
  );
}

/** The button that opens it, for those without a right mouse button. */
export function MenuButton({ object, wide }: { object: Obj; wide?: boolean }) {
  if (!actionsFor(object).length) return null;
  return (
    <button
      type="button"
      class={wide ? "" : "plain small"}
      aria-haspopup="menu"
      aria-label={t.actionsFor(object.name)}
      onClick={(e) => {
        e.stopPropagation();
        openMenu([object], e.currentTarget);
      }}
    >
      {wide ? `${t.actions} ▾` : <Icon name="more" />}
    </button>
  );
}

/** Opens the menu by right click, Menu key, Shift-F10 or a full stop. */
export function menuHandlers(objects: () => Obj[]) {
  return {
    onContextMenu: (e: MouseEvent) => {
      if (!objects().length) return;
      e.preventDefault();
      // A key gives no place of its own.
      const at = e.clientX || e.clientY ? { x: e.clientX, y: e.clientY } : (e.currentTarget as HTMLElement);
      openMenu(objects(), at);
    },
    onKeyDown: (e: KeyboardEvent) => {
      if (!(e.key === "ContextMenu" || (e.key === "F10" && e.shiftKey) || e.key === ".") || e.target instanceof HTMLInputElement) return;
      e.preventDefault();
      openMenu(objects(), e.currentTarget as HTMLElement);
    },
  };
}
