// The workspace: which page the address names, and the frame that all objects' pages share.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Obj, Task, Vm } from "../net/types.ts";
import { inventory, tasks } from "../store/collection.ts";
import { HOME, href, route } from "../store/route.ts";
import { t } from "../text/en.ts";
import { Icon } from "../ui/icon.tsx";
import { lazy } from "../ui/lazy.tsx";
import { Loading } from "../ui/load.tsx";
import { MenuButton } from "../ui/menu.tsx";
import { State } from "../ui/state.tsx";
import { AlarmMark, Alarms } from "./alarms.tsx";
import { TaskRows, newest } from "./dock.tsx";
import { EventList } from "./events.tsx";
import { Fleet } from "./fleet.tsx";
import { ListPage } from "./list.tsx";
import { Overview } from "./overview.tsx";
import { Permissions } from "./permissions.tsx";
import { Pools } from "./pool.tsx";
import { tabsOf } from "./tabs.tsx";
import { Tags } from "./tags.tsx";

const Admin = lazy(() => import("./admin.tsx"));
const EventPage = lazy(() => import("./event-page.tsx"));
const TaskPage = lazy(() => import("./task-page.tsx"));
const TagPage = lazy(() => import("./tag-page.tsx"));
const Definitions = lazy(() => import("./alarm-defs.tsx"));

const lists: Record<string, string> = {
  hosts: "host",
  clusters: "cluster",
  datastores: "datastore",
  networks: "network",
  templates: "template",
};

function TaskList({ entity }: { entity: string }) {
  const list = tasks
    .all<Task>("task")
    .filter((x) => x.entity === entity)
    .sort(newest);
  return (
    <div class="scroll" role="group" tabIndex={0} aria-label={t.tab.tasks ?? ""}>
      {list.length ? <TaskRows list={list} /> : <p class="empty">{t.dock.noTasks}</p>}
    </div>
  );
}

/** Where the object stands, as links. */
function Path({ object }: { object: Obj }) {
  const path: Obj[] = [];
  for (let o = inventory.get(object.parent); o && path.length < 20; o = inventory.get(o.parent)) path.unshift(o);
  const host = inventory.get((object as Partial<Vm>).host);
  if (!path.length) return null;
  return (
    <nav aria-label={t.page.path} class="path">
      {[...path, ...(host ? [host] : [])].map((o) => (
        <span key={o.id}>
          <a href={href(o.id)}>{o.name}</a> ›{" "}
        </span>
      ))}
    </nav>
  );
}

export interface Tab {
  id: string;
  view: (p: { object: Obj }) => ComponentChildren;
}

const shared: Tab[] = [
  { id: "permissions", view: () => <Permissions /> },
  { id: "tasks", view: ({ object }) => <TaskList entity={object.id} /> },
  { id: "alarms", view: ({ object }) => <Alarms entity={object.id} /> },
  { id: "events", view: ({ object }) => <EventList entity={object.id} /> },
];

function ObjectPage({ object }: { object: Obj }) {
  const own: Tab[] = tabsOf[object.kind] ?? [];
  const tabs = [
    ...own.filter((x) => ["summary", "monitor", "configure"].includes(x.id)),
    ...shared,
    ...own.filter((x) => !["summary", "monitor", "configure"].includes(x.id)),
  ];
  const now = tabs.find((x) => x.id === route.value.tab) ?? tabs[0];
  const isContainer = object.kind === "vm" && (object as Vm).guest_type === "container";
  useEffect(() => {
    document.title = `${object.name} – ${t.app.name}`;
  }, [object.name]);
  return (
    <section class="page" aria-labelledby="title">
      <Path object={object} />
      <header class="bar-top">
        <Icon name={isContainer ? "container" : object.kind} />
        <h1 id="title">{object.name}</h1>
        <span class="dim">
          {t.kind[isContainer ? "container" : object.kind]} {object.id}
        </span>
        <State object={object} />
        <AlarmMark id={object.id} />
        <Tags object={object} />
        <span class="grow" />
        <MenuButton object={object} wide />
      </header>
      <div role="tablist" class="tabs" aria-label={object.name}>
        {tabs.map((x) => (
          <a
            key={x.id}
            role="tab"
            aria-selected={x === now}
            href={href(object.id, x.id)}
            tabIndex={x === now ? 0 : -1}
            onKeyDown={stepTabs}
          >
            {t.tab[x.id]}
          </a>
        ))}
      </div>
      <div class="body" role="tabpanel" tabIndex={0} aria-label={t.tab[now?.id ?? ""]}>
        {now && <now.view key={`${object.id}/${now.id}`} object={object} />}
      </div>
    </section>
  );
}

function stepTabs(e: KeyboardEvent): void {
  const by = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
  const list = [...((e.currentTarget as HTMLElement).parentElement?.children ?? [])] as HTMLElement[];
  const next = list[(list.indexOf(e.currentTarget as HTMLElement) + by + list.length) % list.length];
  if (!by || !next) return;
  e.preventDefault();
  next.focus();
  next.click();
}

function Gone() {
  return (
    <section class="page" aria-labelledby="title">
      <div class="empty">
        <h1 id="title">{t.page.gone}</h1>
        <p>{t.page.goneText}</p>
        <a href={href(HOME)}>{t.page.home}</a>
      </div>
    </section>
  );
}

function Framed({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="page list" aria-labelledby="title">
      <header class="bar-top">
        <h1 id="title">{title}</h1>
      </header>
      {children}
    </section>
  );
}

function Place({ place }: { place: string }) {
  const title = t.pages[place];
  useEffect(() => {
    if (title) document.title = `${title} – ${t.app.name}`;
  }, [title]);
  if (place === HOME) return <Overview />;
  if (place === "vms") return <Fleet />;
  if (lists[place]) return <ListPage key={place} kind={lists[place]} title={title ?? ""} />;
  if (place === "pools")
    return (
      <Framed title={title ?? ""}>
        <Pools />
      </Framed>
    );
  if (place === "tasks")
    return (
      <Framed title={title ?? ""}>
        <TaskPage />
      </Framed>
    );
  if (place === "events")
    return (
      <Framed title={title ?? ""}>
        <EventPage />
      </Framed>
    );
  if (place === "alarms")
    return (
      <Framed title={title ?? ""}>
        <Definitions />
      </Framed>
    );
  if (place === "tags")
    return (
      <Framed title={title ?? ""}>
        <TagPage />
      </Framed>
    );
  if (place === "users")
    return (
      <Framed title={title ?? ""}>
        <Admin />
      </Framed>
    );
  const object = inventory.get(place);
  if (object && tabsOf[object.kind]) return <ObjectPage key={object.id} object={object} />;
  return inventory.loaded.value ? <Gone /> : <Loading />;
}

export function Page() {
  return (
    <main id="page" tabIndex={-1}>
      <Place place={route.value.place} />
    </main>
  );
}
