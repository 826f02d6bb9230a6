import type { MoveResult, Task } from "../net/types.ts";
import { call } from "../net/api.ts";
import { unseen } from "../store/alarms.ts";
import { runningTasks, tasks } from "../store/collection.ts";
import { commands, script } from "../store/commands.ts";
import { open } from "../store/dialogs.ts";
import { events } from "../store/events.ts";
import { prefs } from "../store/prefs.ts";
import { href } from "../store/route.ts";
import { mayOperate } from "../store/session.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { clock } from "../ui/text.ts";
import { Alarms } from "./alarms.tsx";
import { EventRows } from "./events.tsx";

const SHOWN = 50;

/** What a move took, as the network saw it. */
function outcome(task: Task): string {
  if (task.op !== "vm.migrate" || !task.result) return "";
  const r = task.result as MoveResult;
  const outage = typeof r.outage_ms === "number" ? `, ${t.vm.outage(r.outage_ms)}` : "";
  return ` in ${(r.total_ms / 1000).toFixed(1)} s${outage}`;
}

/** What it waits for says more than its phase, and that more than its step. */
function doing(task: Task): string {
  const rate = task.bytes_per_s ? `, ${(task.bytes_per_s / 1e6).toFixed(1)} MB/s` : "";
  return (task.waiting_for || task.phase || task.step || "") + rate;
}

export function TaskState({ task }: { task: Task }) {
  if (task.state === "running")
    return (
      <span class="state busy">
        <progress max={100} value={task.progress} aria-label={`${task.name} ${task.entity_name ?? ""}`} /> {doing(task)}
      </span>
    );
  if (task.state === "queued") return <span class="state busy">… {t.task.queued}</span>;
  if (task.state === "success")
    return (
      <span class="state ok">
        ✓ {t.task.done}
        {outcome(task)}
      </span>
    );
  return <span class="state bad">✕ {task.error_message}</span>;
}

export function cancel(task: Task): void {
  call("POST", `/tasks/${task.id}/cancel`, {})
    .then(() => say("info", `${t.task.cancelled}: ${task.name}`))
    .catch((e: Error) => say("error", e.message));
}

export const newest = (a: Task, b: Task): number => Number(b.id.slice(5)) - Number(a.id.slice(5));

export function TaskRows({ list }: { list: Task[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{t.task.name}</th>
          <th>{t.task.object}</th>
          <th>{t.task.state}</th>
          <th>{t.task.by}</th>
          <th>{t.task.started}</th>
          <th>
            <span class="hidden">{t.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {list.map((x) => (
          <tr key={x.id} onDblClick={() => open("task", [x])}>
            <td>
              <button type="button" class="plain" aria-label={`${t.task.details}: ${x.name}`} onClick={() => open("task", [x])}>
                {x.name}
              </button>
            </td>
            <td>{x.entity ? <a href={href(x.entity)}>{x.entity_name}</a> : x.entity_name}</td>
            <td>
              <TaskState task={x} />
            </td>
            <td>{x.user_name}</td>
            <td class="mono">{clock(x.started_at ?? x.created_at)}</td>
            <td>
              {["queued", "running"].includes(x.state) && mayOperate() && (
                <button type="button" class="small" aria-label={`${t.task.cancel} ${x.name}`} onClick={() => cancel(x)}>
                  {t.task.cancel}
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function copy(text: string): void {
  navigator.clipboard.writeText(text).then(
    () => say("info", t.dock.copied),
    (e: Error) => say("error", e.message),
  );
}

function Commands() {
  if (!commands.value.length) return <p class="empty">{t.dock.noCommands}</p>;
  return (
    <>
      <ul class="commands">
        {commands.value.map((c) => (
          <li key={c.id}>
            <span class="dim mono">{clock(c.at)}</span>
            <code>{c.line}</code>
            <button type="button" class="small" aria-label={`${t.dock.copy}: ${c.line}`} onClick={() => copy(c.line)}>
              {t.dock.copy}
            </button>
          </li>
        ))}
      </ul>
      <button type="button" class="small" onClick={() => copy(script())}>
        {t.dock.copyAll}
      </button>
    </>
  );
}

function Tasks() {
  const list = tasks.all<Task>("task").sort(newest).slice(0, SHOWN);
  return list.length ? <TaskRows list={list} /> : <p class="empty">{t.dock.noTasks}</p>;
}

function Events() {
  return events.value.length ? <EventRows list={events.value.slice(0, SHOWN)} /> : <p class="empty">{t.dock.noEvents}</p>;
}

const tabs = ["tasks", "alarms", "events", "commands"] as const;

const panes = { tasks: () => <Tasks />, alarms: () => <Alarms />, events: () => <Events />, commands: () => <Commands /> };

export function Dock() {
  const { dockTab: tab, dockOpen, dockHeight } = prefs;
  return (
    <section class="dock" aria-label={t.dock.label} style={dockOpen.value ? { height: `${dockHeight.value}px` } : {}}>
      <div class="tabs">
        <div role="tablist" aria-label={t.dock.label}>
          {tabs.map((id) => (
            <button
              key={id}
              type="button"
              role="tab"
              aria-selected={tab.value === id}
              onClick={() => {
                tab.value = id;
                dockOpen.value = true;
              }}
            >
              {t.dock[id]} {id === "tasks" && runningTasks.value > 0 && <span class="badge">{runningTasks.value}</span>}
              {id === "alarms" && unseen.value > 0 && <span class="badge alert">{unseen.value}</span>}
              {id === "commands" && commands.value.length > 0 && <span class="badge">{commands.value.length}</span>}
            </button>
          ))}
        </div>
        <button
          type="button"
          class="plain"
          aria-label={t.dock.toggle}
          aria-expanded={dockOpen.value}
          onClick={() => (dockOpen.value = !dockOpen.value)}
        >
          {dockOpen.value ? "▾" : "▴"}
        </button>
      </div>
      {dockOpen.value && (
        <div class="scroll" role="tabpanel" tabIndex={0} aria-label={t.dock[tab.value]}>
          {panes[tab.value]()}
        </div>
      )}
    </section>
  );
}
