import { signal } from "@preact/signals";
import * as api from "../net/api.ts";
import type { Session } from "../net/types.ts";
import { type Link, type SampleSink, Watch } from "../net/watch.ts";
import { alarmBook } from "./alarms.ts";
import { inventory, tasks } from "./collection.ts";
import { follow as followChanges, note } from "./commands.ts";
import { t } from "../text/en.ts";
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

/** Samples that somebody looks at, whichever login's socket they come over. */
interface Wish {
  begin: (w: Watch) => () => void;
  end: () => void;
}
const wishes = new Set<Wish>();

export type Role = Session["role"];
const ranks: Role[] = ["read_only", "operator", "administrator"];

export const may = (role: Role): boolean => ranks.indexOf(session.value?.role ?? "read_only") >= ranks.indexOf(role);
export const mayOperate = (): boolean => may("operator");

function follow(): void {
  watch?.stop();
  watch = new Watch(`${location.origin.replace("http", "ws")}/api/v1/watch`, (state, why) => {
    if (state === link.value.state) return;
    link.value = { state, since: Date.now(), why };
    if (state === "closed") void expire(why);
  });
  watch.subscribe("inventory", inventory);
  watch.subscribe("tasks", tasks);
  watch.subscribe("events", eventSink);
  watch.subscribe("alarms", alarmBook);
  for (const wish of wishes) wish.end = wish.begin(watch);
  watch.start();
}

/** Samples every other second until what comes back is called. */
export function watchSamples(objects: string[], counters: string[], sink: SampleSink): () => void {
  const begin = (w: Watch): (() => void) => w.watchSamples(objects, counters, sink);
  const wish: Wish = { begin, end: watch ? begin(watch) : () => undefined };
  wishes.add(wish);
  return () => {
    wishes.delete(wish);
    wish.end();
  };
}

function enter(s: Session): void {
  api.useCsrf(s.csrf);
  session.value = s;
  expired.value = null;
  follow();
}

let looking: Promise<boolean> | null = null;

/**
 * Who we are now. True: the same user has logged in again, in another tab perhaps; that session, with its
 * own word for changes, is ours now, and what was refused may be tried again. What one user began is not
 * ended in the name of another.
 */
function lookAgain(): Promise<boolean> {
  const was = session.peek();
  looking ??= api
    .currentSession()
    .then((s) => {
      if (s.user !== was?.user) {
        watch?.stop();
        expired.value = t.login.other(s.user);
        return false;
      }
      api.useCsrf(s.csrf);
      session.value = s;
      return s.csrf !== was.csrf;
    })
    .finally(() => {
      looking = null;
    });
  return looking;
}

/** Somebody has changed the role meanwhile: what is offered follows. */
const denied = (): Promise<boolean> => lookAgain().catch(() => false); // whoever asks next is told why

async function expire(why: string): Promise<boolean> {
  if (!session.peek()) return false;
  const again = await lookAgain().catch(() => false);
  if (again) follow();
  else watch?.stop();
  if (again) expired.value = null;
  else expired.value ??= why || t.login.over;
  return again;
}

/** Who comes back to a tab may have logged in again in another. */
function comeBack(): void {
  if (expired.peek() !== null && document.visibilityState === "visible") void expire(expired.peek() ?? "");
}

export async function start(): Promise<void> {
  api.listen(note, expire, denied, followChanges);
  document.addEventListener("visibilitychange", comeBack);
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
