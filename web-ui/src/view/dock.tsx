import { signal } from "@preact/signals";
import type { MoveResult, Task } from "../net/types.ts";
import { runningTasks, tasks } from "../store/collection.ts";
import { events } from "../store/events.ts";
import { clock } from "../ui/text.ts";

const tab = signal<"tasks" | "events">("tasks");
const SHOWN = 50;

/** What a move took, as the network saw it. */
function outcome(task: Task): string {
  if (task.op !== "vm.migrate" || !task.result) return "";
  const r = task.result as MoveResult;
  const outage = typeof r.outage_ms === "number" ? `, outage ${r.outage_ms} ms` : "";
  return ` in ${(r.total_ms / 1000).toFixed(1)} s${outage}`;
}

/** What it waits for says more than its phase, and that more than its step. */
function doing(task: Task): string {
  const rate = task.bytes_per_s ? `, ${(task.bytes_per_s / 1e6).toFixed(1)} MB/s` : "";
  return (task.waiting_for || task.phase || task.step || "") + rate;
}

function TaskState({ task }: { task: Task }) {
  if (task.state === "running")
    return (
      <span class="state busy">
        <progress max={100} value={task.progress} aria-label={`${task.name} ${task.entity_name ?? ""}`} /> {doing(task)}
      </span>
    );
  if (task.state === "queued") return <span class="state busy">… queued</span>;
  if (task.state === "success") return <span class="state ok">✓ done{outcome(task)}</span>;
  return <span class="state bad">✕ {task.error_message}</span>;
}

function Tasks() {
  const list = tasks
    .all<Task>("task")
    .sort((a, b) => Number(b.id.slice(5)) - Number(a.id.slice(5)))
    .slice(0, SHOWN);
  return (
    <table>
      <thead>
        <tr>
          <th>Task</th>
          <th>Object</th>
          <th>State</th>
          <th>By</th>
          <th>Started</th>
        </tr>
      </thead>
      <tbody>
        {list.map((t) => (
          <tr key={t.id}>
            <td>{t.name}</td>
            <td>{t.entity_name}</td>
            <td>
              <TaskState task={t} />
            </td>
            <td>{t.user_name}</td>
            <td class="mono">{clock(t.started_at ?? t.created_at)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Events() {
  return (
    <table>
      <thead>
        <tr>
          <th>Time</th>
          <th>Event</th>
          <th>Type</th>
        </tr>
      </thead>
      <tbody>
        {events.value.slice(0, SHOWN).map((e) => (
          <tr key={e.id}>
            <td class="mono">{clock(e.time)}</td>
            <td>
              <span class={`state ${e.severity === "info" ? "" : e.severity === "error" ? "bad" : "warn"}`}>{e.message}</span>
            </td>
            <td class="dim">{e.type}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Dock() {
  return (
    <section class="dock" aria-label="Tasks and events">
      <div role="tablist" class="tabs">
        <button type="button" role="tab" aria-selected={tab.value === "tasks"} onClick={() => (tab.value = "tasks")}>
          Recent tasks {runningTasks.value > 0 && <span class="badge">{runningTasks.value}</span>}
        </button>
        <button type="button" role="tab" aria-selected={tab.value === "events"} onClick={() => (tab.value = "events")}>
          Events
        </button>
      </div>
      <div class="scroll" role="tabpanel" tabIndex={0}>
        {tab.value === "tasks" ? <Tasks /> : <Events />}
      </div>
    </section>
  );
}
