// Which events a list shows, as the API's own filter says it. Pure.
import type { EventItem } from "../net/types.ts";

export interface EventFilter {
  /** Patterns of types and severities with commas between: Vm*,error. */
  types: string;
  user: string;
}

const patterns = (types: string): string[] =>
  types
    .split(",")
    .map((x) => x.trim())
    .filter(Boolean);

export function eventQuery(f: EventFilter): string {
  const types = patterns(f.types).join(",");
  return `${types ? `&types=${encodeURIComponent(types)}` : ""}${f.user.trim() ? `&user=${encodeURIComponent(f.user.trim())}` : ""}`;
}

/** Those that come while one looks are sorted out here, as the server does it. */
export function passes(e: EventItem, f: EventFilter): boolean {
  if (f.user.trim() && e.user !== f.user.trim()) return false;
  const list = patterns(f.types);
  return (
    !list.length ||
    list.some((p) => {
      const glob = p
        .replace(/[.+^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll("?", ".");
      return p.toLowerCase() === e.severity || new RegExp(`^${glob}$`, "i").test(e.type);
    })
  );
}
