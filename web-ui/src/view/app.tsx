import { signal } from "@preact/signals";
import { link, logOut, session } from "../store/session.ts";
import { clock } from "../ui/text.ts";
import { Dock } from "./dock.tsx";
import { Fleet } from "./fleet.tsx";
import { Hosts } from "./hosts.tsx";

type Theme = "auto" | "light" | "dark";
const theme = signal<Theme>((localStorage.getItem("theme") as Theme | null) ?? "auto");

function applyTheme(t: Theme): void {
  theme.value = t;
  localStorage.setItem("theme", t);
  document.documentElement.dataset.theme = t;
}
applyTheme(theme.value);

function LinkState() {
  const { state, since, why } = link.value;
  if (state === "live") return <span class="state ok">● live</span>;
  if (state === "connecting") return <span class="state busy">◌ connecting</span>;
  return (
    <span class="state bad" title={why}>
      ▲ stale since {clock(new Date(since).toISOString())}
    </span>
  );
}

export function App() {
  return (
    <div class={link.value.state === "live" ? "app" : "app stale"}>
      <header class="top">
        <img src="/favicon.svg" alt="" width="22" height="22" />
        <h1>Drover</h1>
        <LinkState />
        <span class="grow" />
        <label class="inline">
          <span class="hidden">Theme</span>
          <select value={theme.value} onChange={(e) => applyTheme(e.currentTarget.value as Theme)}>
            <option value="auto">System theme</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <span>
          {session.value?.user} <span class="dim">{session.value?.role.replace("_", " ")}</span>
        </span>
        <button type="button" onClick={() => void logOut()}>
          Log out
        </button>
      </header>
      <main>
        <Hosts />
        <Fleet />
      </main>
      <Dock />
    </div>
  );
}
