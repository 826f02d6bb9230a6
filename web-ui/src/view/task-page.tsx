// All tasks that are kept: what, of whom, by whom, and how they ended.
import type { Task } from "../net/types.ts";
import { tasks } from "../store/collection.ts";
import { route, setQuery } from "../store/route.ts";
import { matches } from "../store/task-filter.ts";
import { t } from "../text/en.ts";
import { TaskRows, newest } from "./dock.tsx";

const states = { "": t.task.all, open: t.task.open, success: t.task.done, error: t.task.failed };
/** More than these are found with the filter. */
const LISTED = 500;

export default function TaskPage() {
  const words = route.value.query.get("q") ?? "";
  const state = route.value.query.get("state") ?? "";
  const all = tasks.all<Task>("task");
  const list = all.filter((x) => matches(x, words, state)).sort(newest);
  return (
    <>
      <div class="bar-top">
        <input
          id="filter"
          type="search"
          aria-label={t.task.filter}
          placeholder={t.task.filter}
          value={words}
          onInput={(e) => setQuery("q", e.currentTarget.value)}
        />
        <label class="inline">
          <span class="hidden">{t.task.state}</span>
          <select value={state} onChange={(e) => setQuery("state", e.currentTarget.value)}>
            {Object.entries(states).map(([id, title]) => (
              <option key={id} value={id}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <span class="dim" role="status">
          {t.list.shown(Math.min(list.length, LISTED), all.length)}
        </span>
      </div>
      <div class="scroll" role="group" tabIndex={0} aria-label={t.tab.tasks ?? ""}>
        {list.length ? <TaskRows list={list.slice(0, LISTED)} /> : <p class="empty">{t.dock.noTasks}</p>}
      </div>
    </>
  );
}
