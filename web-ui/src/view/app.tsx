import { useEffect } from "preact/hooks";
import { asking, opened } from "../store/dialogs.ts";
import { prefs } from "../store/prefs.ts";
import { href, route } from "../store/route.ts";
import { expired, link } from "../store/session.ts";
import { t } from "../text/en.ts";
import { lazy } from "../ui/lazy.tsx";
import { Menu } from "../ui/menu.tsx";
import { Resizer } from "../ui/resizer.tsx";
import { Bubble } from "./bubble.tsx";
import { Dock } from "./dock.tsx";
import { Header } from "./header.tsx";
import { Help } from "./help.tsx";
import { helpOpen, paletteOpen } from "./keys.ts";
import { LoginAgain } from "./login.tsx";
import { Page } from "./page.tsx";
import { Palette } from "./palette.tsx";
import { Tree } from "./tree.tsx";

/** The pages that are not objects. */
function Places() {
  return (
    <nav aria-label={t.app.places}>
      <ul class="places">
        {Object.entries(t.pages).map(([id, title]) => (
          <li key={id}>
            <a href={href(id)} aria-current={route.value.place === id ? "page" : undefined}>
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

const loadDialogs = () => import("./dialogs.tsx").then((m) => ({ default: m.Dialogs }));
const Dialogs = lazy(loadDialogs);

/** Not needed to begin with; fetched while nothing else is to be done, before anybody asks for one. */
function OpenDialogs() {
  useEffect(() => {
    if (link.value.state === "live") requestIdleCallback(() => void loadDialogs().catch(() => undefined));
  }, [link.value.state]);
  return opened.value || asking.value ? <Dialogs /> : null;
}

export function App() {
  const { treeOpen, treeWidth, dockOpen, dockHeight } = prefs;
  return (
    <div class={link.value.state === "live" ? "app" : "app stale"}>
      <Header />
      <div class="middle">
        {treeOpen.value && (
          <>
            <div class="side" style={{ width: `${treeWidth.value}px` }}>
              <Tree />
              <Places />
            </div>
            <Resizer size={treeWidth} min={180} max={600} along="x" sign={1} label={t.tree.size} />
          </>
        )}
        <Page />
      </div>
      {dockOpen.value && <Resizer size={dockHeight} min={90} max={600} along="y" sign={-1} label={t.dock.size} />}
      <Dock />
      <Menu />
      <Bubble />
      <OpenDialogs />
      {paletteOpen.value && <Palette />}
      {helpOpen.value && <Help />}
      {expired.value !== null && <LoginAgain why={expired.value} />}
    </div>
  );
}
