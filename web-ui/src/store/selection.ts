// Which of the rows that are shown are chosen, as file managers do it. Pure.
export interface Selection {
  ids: ReadonlySet<string>;
  /** Where a range begins. */
  anchor: string;
}

export const NOTHING: Selection = { ids: new Set(), anchor: "" };

/** only: this one and no other; toggle: one more or one less; range: all from the anchor to it. */
export type Mode = "only" | "toggle" | "range";

export function choose(rows: string[], s: Selection, id: string, mode: Mode): Selection {
  if (mode === "only") return { ids: new Set([id]), anchor: id };
  if (mode === "toggle") {
    const ids = new Set(s.ids);
    if (!ids.delete(id)) ids.add(id);
    return { ids, anchor: id };
  }
  const to = rows.indexOf(id);
  const from = rows.indexOf(s.anchor);
  if (from < 0 || to < 0) return choose(rows, s, id, "only");
  return { ids: new Set(rows.slice(Math.min(from, to), Math.max(from, to) + 1)), anchor: s.anchor };
}

export const modeOf = (e: { ctrlKey: boolean; metaKey: boolean; shiftKey: boolean }): Mode =>
  e.shiftKey ? "range" : e.ctrlKey || e.metaKey ? "toggle" : "only";

/** What is meant by something done to one row: all that are chosen if it is one of them, else itself. */
export const meant = (chosen: string[], id: string): string[] => (chosen.length > 1 && chosen.includes(id) ? chosen : [id]);
