// Where the heat map draws: a card for each host, in it a tile for each guest by its memory. Pure.
export interface Tile {
  id: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Card extends Tile {
  tiles: Tile[];
}

/** Squarified treemap: tiles as near to squares as they go. weights above 0, the largest first. */
export function squarify(items: { id: string; weight: number }[], x: number, y: number, w: number, h: number): Tile[] {
  const out: Tile[] = [];
  let left = items.reduce((n, i) => n + i.weight, 0);
  let [cx, cy, cw, ch] = [x, y, w, h];
  let at = 0;
  while (at < items.length && left > 0 && cw > 0 && ch > 0) {
    const side = Math.min(cw, ch);
    const scale = (cw * ch) / left;
    let sum = 0;
    let best = Number.POSITIVE_INFINITY;
    let n = 0;
    while (at + n < items.length) {
      const next = sum + (items[at + n]?.weight ?? 0);
      const thick = (next * scale) / side;
      const least = (items[at + n]?.weight ?? 0) * scale;
      const most = (items[at]?.weight ?? 0) * scale;
      const worst = Math.max((thick * thick) / least, most / (thick * thick));
      if (n && worst > best) break;
      best = worst;
      sum = next;
      n++;
    }
    const thick = (sum * scale) / side;
    let along = 0;
    for (const item of items.slice(at, at + n)) {
      const length = sum > 0 ? (item.weight / sum) * side : 0;
      out.push(
        cw >= ch ? { id: item.id, x: cx, y: cy + along, w: thick, h: length } : { id: item.id, x: cx + along, y: cy, w: length, h: thick },
      );
      along += length;
    }
    if (cw >= ch) {
      cx += thick;
      cw -= thick;
    } else {
      cy += thick;
      ch -= thick;
    }
    left -= sum;
    at += n;
  }
  return out;
}

const GAP = 8;
const HEAD = 20;
const WIDEST = 320;

/** Cards in rows that fill the width; how high the whole becomes. */
export function layout(
  hosts: { id: string; room: number; guests: { id: string; weight: number }[] }[],
  width: number,
  cardHeight: number,
): { cards: Card[]; height: number } {
  const columns = Math.max(1, Math.ceil((width + GAP) / (WIDEST + GAP)), Math.min(hosts.length, Math.ceil(Math.sqrt(hosts.length))));
  const fit = Math.min(columns, Math.max(1, hosts.length));
  const w = (width - GAP * (fit - 1)) / fit;
  const cards = hosts.map((host, i) => {
    const x = (i % fit) * (w + GAP);
    const y = Math.floor(i / fit) * (cardHeight + GAP);
    const sum = host.guests.reduce((n, g) => n + g.weight, 0);
    // What is free stays free: the tiles take as much of the card as the guests have of the host.
    const share = host.room > 0 ? Math.min(1, sum / host.room) : 1;
    const inner = { w: w - 8, h: cardHeight - HEAD - 4 };
    const sorted = [...host.guests].sort((a, b) => b.weight - a.weight || a.id.localeCompare(b.id));
    return {
      id: host.id,
      x,
      y,
      w,
      h: cardHeight,
      tiles: squarify(sorted, x + 4, y + HEAD + inner.h * (1 - share), inner.w, inner.h * share),
    };
  });
  return { cards, height: Math.ceil(hosts.length / fit) * (cardHeight + GAP) - GAP };
}
