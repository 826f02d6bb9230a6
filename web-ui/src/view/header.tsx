import { effect } from "@preact/signals";
import { onTheirWay } from "../store/commands.ts";
import { prefs } from "../store/prefs.ts";
import { link, logOut, session } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Icon } from "../ui/icon.tsx";
import { clock } from "../ui/text.ts";
import { helpOpen, paletteOpen } from "./keys.ts";

effect(() => {
  if (typeof document !== "undefined") document.documentElement.dataset.theme = prefs.theme.value;
});

function LinkState() {
  const { state, since, why } = link.value;
  if (state === "live") return <span class="state ok">● {t.app.live}</span>;
  if (state === "connecting") return <span class="state busy">◌ {t.app.connecting}</span>;
  return (
    <span class="state bad" title={why} role="status">
      ▲ {t.app.stale(clock(new Date(since).toISOString()))}
    </span>
  );
}

/** Changes whose answer takes its time. */
function OnTheirWay() {
  const [first, ...more] = onTheirWay.value;
  return (
    <span role="status" class="way">
      {first !== undefined && (
        <span class="state busy slow" title={onTheirWay.value.join("\n")}>
          ◌ {t.app.waiting(first, more.length)}
        </span>
      )}
    </span>
  );
}

/** The address belongs to the pages, so the link moves the focus alone. */
function skip(e: Event): void {
  e.preventDefault();
  document.getElementById("page")?.focus();
}

export function Header() {
  const s = session.value;
  return (
    <header class="top">
      <a class="skip" href="#page" onClick={skip}>
        {t.app.skip}
      </a>
      <button
        type="button"
        class="plain"
        aria-label={t.tree.toggle}
        aria-expanded={prefs.treeOpen.value}
        onClick={() => (prefs.treeOpen.value = !prefs.treeOpen.value)}
      >
        <Icon name="menu" />
      </button>
      <a href="#/home" class="brand">
        <img src="/favicon.svg" alt="" width="22" height="22" />
        <span>{t.app.name}</span>
      </a>
      <button type="button" class="find" onClick={() => (paletteOpen.value = true)}>
        <Icon name="search" /> {t.app.search}
      </button>
      <span class="grow" />
      <OnTheirWay />
      <LinkState />
      <label class="inline">
        <span class="hidden">{t.app.theme}</span>
        <select value={prefs.theme.value} onChange={(e) => (prefs.theme.value = e.currentTarget.value as typeof prefs.theme.value)}>
          {Object.entries(t.app.themes).map(([id, title]) => (
            <option key={id} value={id}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <button type="button" class="plain" aria-label={t.app.help} onClick={() => (helpOpen.value = true)}>
        ?
      </button>
      <span class="who">
        {s?.user} <span class="dim">{s && t.app.role[s.role]}</span>
      </span>
      <button type="button" onClick={() => void logOut()}>
        {t.app.logOut}
      </button>
    </header>
  );
}
