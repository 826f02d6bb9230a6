// Two people at one form: what the other one has made of which field, and who it was. Pure.
import type { Changed } from "../net/api.ts";
import type { EventItem, Obj } from "../net/types.ts";

export type Value = string | number | boolean;
export type Values = Record<string, Value>;

export interface Rival {
  field: string;
  theirs: Value;
  /** null: nobody knows. */
  by: string | null;
}

/** What the object is now: as the watch shows it, or as a refusal has told, whichever is newer. */
export function newest(live: Obj | undefined, told: Changed | null): Obj | undefined {
  return told && live && told.object.rev > live.rev ? told.object : live;
}

/** Events that tell of changed settings; others of the object are not about its fields. */
const settings = /(Reconfigured|Renamed|Changed)Event$/;

/** Of a list with the newest first, what came after the one that was first then. */
export function since(events: EventItem[], first: string | undefined): EventItem[] {
  const at = events.findIndex((e) => e.id === first);
  return at < 0 ? events : events.slice(0, at);
}

function author(id: string, field: string, told: Changed | null, events: EventItem[]): string | null {
  const change = told?.changes.filter((c) => c.fields.includes(field)).at(-1);
  return change?.user ?? events.find((e) => e.entity === id && e.user && settings.test(e.type))?.user ?? null;
}

/**
 * Fields that are neither as they were when the form began nor as they are in it. base: what the form
 * began with, or what was taken over since.
 */
export function rivals(base: Values, mine: Values, theirs: Values, id: string, told: Changed | null, events: EventItem[]): Rival[] {
  return Object.keys(base)
    .filter((f) => theirs[f] !== base[f] && theirs[f] !== mine[f])
    .map((f) => ({ field: f, theirs: theirs[f] as Value, by: author(id, f, told, events) }));
}
