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

export interface Word {
  text: string;
  /** What letters and a number stand for: h2 and host2 are host-2, web1 is web-01. */
  short: RegExp | null;
}

export function wordsOf(query: string): Word[] {
  return query
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((text) => {
      const m = /^([a-z]+)(\d+)$/.exec(text);
      return { text, short: m && new RegExp(`(?:^|[\\s\\-_.])${m[1]}[a-z]*[-_.]?0*${m[2]}(?!\\d)`) };
    });
}

/** 0: it is not there; else the better the match, the higher. hay is in lower case. */
function rate(hay: string, { text, short }: Word): number {
  const at = hay.indexOf(text);
  if (at < 0) return short?.test(hay) ? 1 : 0;
  const begins = at === 0 || /[\s\-_.]/.test(hay[at - 1] ?? "");
  return (hay === text ? 8 : at === 0 ? 4 : begins ? 2 : 1) + text.length / hay.length;
}

export const names = (name: string, words: Word[]): boolean => words.some((w) => rate(name.toLowerCase(), w) > 0);

function scoreOf(text: string, words: Word[]): number {
  const hay = text.toLowerCase();
  let sum = 1;
  for (const word of words) {
    const n = rate(hay, word);
    if (!n) return 0;
    sum += n;
  }
  return sum;
}

/** 0: no match; else the higher the better. */
export const score = (text: string, query: string): number => scoreOf(text, wordsOf(query));

export function find<T extends Entry>(entries: T[], query: string, most: number): T[] {
  const words = wordsOf(query);
  if (!words.length) return entries.slice(0, most);
  return entries
    .map((e) => ({ e, s: scoreOf(e.text, words) }))
    .filter((x) => x.s > 0)
    .sort((a, b) => b.s + b.e.weight - (a.s + a.e.weight) || a.e.text.length - b.e.text.length)
    .slice(0, most)
    .map((x) => x.e);
}
