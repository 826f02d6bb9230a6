// Paints the heat map. What stands still is painted once for each change; only moves are painted in each
// frame. Colours are a scale that colour-blind people can tell, and the tokens for the rest.
import type { Tile } from "../store/layout.ts";
import type { dragged as draggedSignal } from "./drag.ts";
import { type Metric, type Scene, heatOf } from "./heat.tsx";

// Viridis, from little to much.
const scale = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
] as const;
const STEPS = 64;
const DOT_MS = 1600;
const TEXT_FROM = 44;
const EDGED = 5;

function colour(v: number): string {
  const at = Math.max(0, Math.min(1, v)) * (scale.length - 1);
  const i = Math.min(scale.length - 2, Math.floor(at));
  const [a, b] = [scale[i] ?? scale[0], scale[i + 1] ?? scale[4]];
  const mix = (k: 0 | 1 | 2): number => Math.round(a[k] + (b[k] - a[k]) * (at - i));
  return `rgb(${mix(0)} ${mix(1)} ${mix(2)})`;
}

const colours = Array.from({ length: STEPS + 1 }, (_, i) => colour(i / STEPS));

export type Drag = typeof draggedSignal.value;
type Palette = Record<"line" | "text" | "dim" | "bg" | "bad" | "accent" | "ok" | "warn", string>;

function palette(canvas: HTMLCanvasElement): Palette {
  const css = getComputedStyle(canvas);
  const token = (name: string): string => css.getPropertyValue(`--${name}`).trim();
  return {
    line: token("line"),
    text: token("text"),
    dim: token("dim"),
    bg: token("bg"),
    bad: token("bad"),
    accent: token("accent"),
    ok: token("ok"),
    warn: token("warn"),
  };
}

/** A canvas of the size, with room for each of the screen's own points. */
function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(Math.max(1, height) * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const g = canvas.getContext("2d");
  g?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return g;
}

function frameColour(over: boolean, down: boolean, drag: Drag, p: Palette): string {
  if (over) return drag?.verdict === "fits" ? p.ok : drag?.verdict === "refused" ? p.bad : drag?.verdict === "warns" ? p.warn : p.accent;
  return down ? p.bad : p.line;
}

/** Everything but the moves, on a canvas of its own. */
export function paintStill(canvas: HTMLCanvasElement, s: Scene, metric: Metric, width: number, drag: Drag): HTMLCanvasElement {
  const still = document.createElement("canvas");
  const g = sized(still, width, s.height);
  const p = palette(canvas);
  if (!g) return still;
  g.font = "12px system-ui, sans-serif";
  g.textBaseline = "middle";
  for (const card of s.cards) {
    const host = s.hosts.get(card.id);
    const down = host?.connection_state !== "connected";
    const over = drag?.over === card.id;
    g.fillStyle = p.bg;
    g.fillRect(card.x, card.y, card.w, card.h);
    g.strokeStyle = frameColour(over, down, drag, p);
    g.lineWidth = over ? 3 : 1;
    g.strokeRect(card.x + 0.5, card.y + 0.5, card.w - 1, card.h - 1);
    g.fillStyle = down ? p.bad : p.text;
    g.fillText(`${down ? "▲ " : ""}${host?.name ?? ""}`, card.x + 6, card.y + 11, card.w - 12);
    for (const tile of card.tiles) {
      const vm = s.guests.get(tile.id);
      if (!vm) continue;
      const heat = heatOf(vm, host, metric);
      // Little heat is dark, and so are some themes: each tile has an edge.
      if (tile.w > EDGED && tile.h > EDGED) {
        g.fillStyle = p.dim;
        g.fillRect(tile.x, tile.y, tile.w, tile.h);
      }
      g.fillStyle = colours[Math.round(heat * STEPS)] ?? p.line;
      g.fillRect(tile.x + 0.5, tile.y + 0.5, Math.max(1, tile.w - 1), Math.max(1, tile.h - 1));
      if (s.chosen.has(vm.id)) {
        g.strokeStyle = p.text;
        g.lineWidth = 3;
        g.strokeRect(tile.x + 2, tile.y + 2, Math.max(1, tile.w - 4), Math.max(1, tile.h - 4));
      }
      if (tile.w > TEXT_FROM && tile.h > 13) {
        g.fillStyle = heat > 0.6 ? "#000" : "#fff";
        g.fillText(vm.name, tile.x + 4, tile.y + tile.h / 2, tile.w - 8);
      }
    }
  }
  return still;
}

const middle = (b: Tile): [number, number] => [b.x + b.w / 2, b.y + b.h / 2];

function arc(g: CanvasRenderingContext2D, from: Tile, to: Tile, part: number, stroke: string): void {
  const [x1, y1] = middle(from);
  const [x2, y2] = middle(to);
  const [cx, cy] = [(x1 + x2) / 2, Math.min(y1, y2) - 30];
  g.strokeStyle = stroke;
  g.lineWidth = 2;
  g.setLineDash([5, 4]);
  g.beginPath();
  g.moveTo(x1, y1);
  g.quadraticCurveTo(cx, cy, x2, y2);
  g.stroke();
  g.setLineDash([]);
  const u = 1 - part;
  g.fillStyle = stroke;
  g.beginPath();
  g.arc(u * u * x1 + 2 * u * part * cx + part * part * x2, u * u * y1 + 2 * u * part * cy + part * part * y2, 5, 0, 2 * Math.PI);
  g.fill();
}

/** One frame: the still picture, and on it what moves. now 0: nothing is to be animated. */
export function paint(canvas: HTMLCanvasElement, still: HTMLCanvasElement, s: Scene, width: number, accent: string, now: number): void {
  const g = sized(canvas, width, s.height);
  if (!g) return;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${s.height}px`;
  g.clearRect(0, 0, width, s.height);
  g.drawImage(still, 0, 0, width, Math.max(1, s.height));
  for (const m of s.moves) {
    const from = s.places.get(m.vm);
    const to = s.places.get(m.to);
    if (from && to) arc(g, from, to, now ? Math.max(m.progress / 100, (now % DOT_MS) / DOT_MS / 4) : m.progress / 100, accent);
    else if (from) {
      g.strokeStyle = accent;
      g.lineWidth = 2;
      g.setLineDash([4, 3]);
      g.lineDashOffset = -now / 60;
      g.strokeRect(from.x + 1, from.y + 1, Math.max(1, from.w - 2), Math.max(1, from.h - 2));
      g.setLineDash([]);
    }
  }
}

export const accentOf = (canvas: HTMLCanvasElement): string => palette(canvas).accent;
