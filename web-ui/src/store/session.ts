import { signal } from "@preact/signals";
import * as api from "../net/api.ts";
import type { Session } from "../net/types.ts";
import { type Link, Watch } from "../net/watch.ts";
import { alarmBook } from "./alarms.ts";
import { inventory, tasks } from "./collection.ts";
import { note } from "./commands.ts";
import { eventSink } from "./events.ts";

/** undefined: not known yet; null: nobody. */
export const session = signal<Session | null | undefined>(undefined);
/** Why one has to log in again; the pages stay as they are underneath. */
export const expired = signal<string | null>(null);
export const link = signal<{ state: Link; since: number; why: string }>({
  state: "connecting",
  since: Date.now(),
  why: "",
});

let watch: Watch | null = null;

export type Role = Session["role"];
const ranks: Role[] = ["read_only", "operator", "administrator"];

export const may = (role: Role): boolean => ranks.indexOf(session.value?.role ?? "read_only") >= ranks.indexOf(role);
export const mayOperate = (): boolean => may("operator");

function follow(): void {
  watch?.stop();
  watch = new Watch(`wss://${location.host}/api/v1/watch`, (state, why) => {
    if (state === link.value.state) return;
    link.value = { state, since: Date.now(), why };
    if (state === "closed") expire(why);
  });
  watch.subscribe("inventory", inventory);
  watch.subscribe("tasks", tasks);
  watch.subscribe("events", eventSink);
  watch.subscribe("alarms", alarmBook);
  watch.start();
}

function enter(s: Session): void {
  api.useCsrf(s.csrf);
  session.value = s;
  expired.value = null;
  follow();
}

function expire(why: string): void {
  if (!session.value) return;
  watch?.stop();
  expired.value = why || "the session has ended";
}

/** Somebody has changed the role meanwhile: what is offered follows. */
function lookAgain(): void {
  api
    .currentSession()
    .then((s) => (session.value = s))
    .catch(() => undefined); // whoever asked next is told why
}

export async function start(): Promise<void> {
  api.listen(note, expire, lookAgain);
  try {
    enter(await api.currentSession());
  } catch {
    session.value = null;
  }
}

export async function logIn(user: string, password: string): Promise<void> {
  enter(await api.login(user, password));
}

export async function logOut(): Promise<void> {
  await api.logout().catch(() => undefined);
  watch?.stop();
  watch = null;
  expired.value = null;
  session.value = null;
}
