import { signal } from "@preact/signals";
import * as api from "../net/api.ts";
import type { Session } from "../net/types.ts";
import { type Link, Watch } from "../net/watch.ts";
import { inventory, tasks } from "./collection.ts";
import { eventSink } from "./events.ts";
import { say } from "./toast.ts";

/** undefined: not known yet; null: nobody. */
export const session = signal<Session | null | undefined>(undefined);
export const link = signal<{ state: Link; since: number; why: string }>({
  state: "connecting",
  since: Date.now(),
  why: "",
});

let watch: Watch | null = null;

export const mayOperate = (): boolean =>
  session.value?.role === "operator" || session.value?.role === "administrator";

function follow(): void {
  watch = new Watch(`wss://${location.host}/api/v1/watch`, (state, why) => {
    if (state === link.value.state) return;
    link.value = { state, since: Date.now(), why };
    if (state === "closed") drop(why);
  });
  watch.subscribe("inventory", inventory);
  watch.subscribe("tasks", tasks);
  watch.subscribe("events", eventSink);
  watch.start();
}

function enter(s: Session): void {
  api.useCsrf(s.csrf);
  session.value = s;
  follow();
}

function drop(why: string): void {
  watch?.stop();
  watch = null;
  session.value = null;
  if (why) say("warning", `Logged out: ${why}`);
}

export async function start(): Promise<void> {
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
  drop("");
}
