// The palette's search: words in any order, the best first. Pure.
export interface Entry {
  key: string;
  /** What is searched. */
  text: string;
  /** What is shown besides it. */
  hint: string;
  icon: string;
  /** Of two that match as well, the heavier comes first. */
  weight: number;
}

/** 0: no match; else the higher the better. */
export function score(text: string, query: string): number {
  const hay = text.toLowerCase();
  let sum = 1;
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = hay.indexOf(word);
    if (at < 0) return 0;
    const begins = at === 0 || /[\s\-_.]/.test(hay[at - 1] ?? "");
    sum += (hay === word ? 8 : at === 0 ? 4 : begins ? 2 : 1) + word.length / hay.length;
  }
  return sum;
}

export function find<T extends Entry>(entries: T[], query: string, most: number): T[] {
  if (!query.trim()) return entries.slice(0, most);
  return entries
    .map((e) => ({ e, s: score(e.text, query) }))
    .filter((x) => x.s > 0)
    .sort((a, b) => b.s + b.e.weight - (a.s + a.e.weight) || a.e.text.length - b.e.text.length)
    .slice(0, most)
    .map((x) => x.e);
}
