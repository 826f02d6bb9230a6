// Which tasks a list shows. Pure.
import type { Task } from "../net/types.ts";

export const isOpen = (task: Task): boolean => ["queued", "running"].includes(task.state);

/** state: "" for all, "open", "success" or "error"; each word is somewhere in what the task says of itself. */
export function matches(task: Task, words: string, state: string): boolean {
  if (state && (state === "open" ? !isOpen(task) : task.state !== state)) return false;
  const said = [task.name, task.op, task.entity, task.entity_name, task.user_name, task.error_message, task.id].join(" ").toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((w) => said.includes(w));
}
