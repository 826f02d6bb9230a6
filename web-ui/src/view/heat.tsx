// The cluster at a glance: hosts as cards, guests as tiles, migrations as arcs under way.
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Cluster, Host, Task, Vm } from "../net/types.ts";
import { tasks } from "../store/collection.ts";
import { type Card, type Tile, layout } from "../store/layout.ts";
import { openMenu } from "../store/menu.ts";
import { prefs } from "../store/prefs.ts";
import { go } from "../store/route.ts";
import { choose, meant } from "../store/selection.ts";
import { mayOperate } from "../store/session.ts";
import { t } from "../text/en.ts";
import { ghz, percent } from "../ui/text.ts";
import { guestsOf, hostsOf } from "./cluster.tsx";
import { Ref } from "./columns.tsx";
import { dragged, drop, hover, pickUp } from "./drag.ts";
import { accentOf, paint, paintStill } from "./heat-draw.ts";

// One for all: each that is asked for stays with the document.
const stillness = matchMedia("(prefers-reduced-motion: reduce)");
const CARD = 132;
const SMALL_CARD = 70;
const MANY = 12;

export type Metric = "cpu" | "memory";

export interface Scene {
  cards: Card[];
  height: number;
  hosts: Map<string, Host>;
  guests: Map<string, Vm>;
  /** Where each host and guest is drawn. */
  places: Map<string, Tile>;
  moves: { vm: string; to: string; progress: number }[];
  /** Guests that are taken together. */
  chosen: ReadonlySet<string>;
}

/** 0 to 1: how much a guest uses of what it has. */
export function heatOf(vm: Vm, host: Host | undefined, metric: Metric): number {
  if (metric === "memory") return vm.memory_mb ? Math.min(1, vm.memory_usage_mb / vm.memory_mb) : 0;
  const most = (host?.cpu_mhz || 1) * vm.num_cpu;
  return Math.min(1, vm.cpu_usage_mhz / most);
}

function scene(cluster: Cluster, width: number, chosen: ReadonlySet<string>): Scene {
  const hosts = hostsOf(cluster).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const guests = guestsOf(hosts).filter((v) => v.power_state !== "powered_off" && v.power_state !== "suspended");
  const by = new Map<string, { id: string; weight: number }[]>();
  for (const v of guests) {
    const list = by.get(v.host ?? "") ?? [];
    list.push({ id: v.id, weight: Math.max(1, v.memory_mb) });
    by.set(v.host ?? "", list);
  }
  const plan = layout(
    hosts.map((h) => ({ id: h.id, room: h.memory_total_mb, guests: by.get(h.id) ?? [] })),
    width,
    hosts.length > MANY ? SMALL_CARD : CARD,
  );
  const moves = tasks
    .all<Task>("task")
    .filter((x) => x.op === "vm.migrate" && x.state === "running" && x.entity)
    .map((x) => ({ vm: x.entity as string, to: x.to_host ?? "", progress: x.progress }));
  const places = new Map<string, Tile>(plan.cards.flatMap((c) => [c, ...c.tiles]).map((b) => [b.id, b]));
  return { ...plan, places, hosts: new Map(hosts.map((h) => [h.id, h])), guests: new Map(guests.map((v) => [v.id, v])), moves, chosen };
}

function at<T extends Tile>(list: T[], x: number, y: number): T | undefined {
  return list.find((b) => x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h);
}

function Twin({ s, metric }: { s: Scene; metric: Metric }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{t.kind.vm}</th>
          <th>{t.list.host}</th>
          <th class="num">{t.heat.metrics[metric]}</th>
          <th class="num">{t.list.cpuUsed}</th>
        </tr>
      </thead>
      <tbody>
        {[...s.guests.values()].map((v) => (
          <tr key={v.id}>
            <td>
              <Ref id={v.id} />
            </td>
            <td>
              <Ref id={v.host} />
            </td>
            <td class="num">{percent(heatOf(v, s.hosts.get(v.host ?? ""), metric), 1)} %</td>
            <td class="num">{ghz(v.cpu_usage_mhz)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function HeatMap({ cluster }: { cluster: Cluster }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(640);
  const metric = useSignal<Metric>("cpu");
  const asTable = useSignal(false);
  const tip = useSignal("");
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const s = useComputed(() => scene(cluster, width.value, chosen.value));
  const picked = useRef<string>("");

  useEffect(() => {
    const box = canvas.current?.parentElement;
    if (!box) return;
    const sizes = new ResizeObserver(() => {
      width.value = Math.max(200, box.clientWidth);
    });
    sizes.observe(box);
    return () => sizes.disconnect();
  }, [asTable.value]);
  useEffect(() => {
    const box = canvas.current;
    if (!box) return;
    const calm = stillness.matches || !s.value.moves.length;
    const still = paintStill(box, s.value, metric.value, width.value, dragged.value);
    const accent = accentOf(box);
    let frame = 0;
    const next = (now: number): void => {
      paint(box, still, s.value, width.value, accent, calm ? 0 : now);
      if (!calm) frame = requestAnimationFrame(next);
    };
    frame = requestAnimationFrame(next);
    return () => cancelAnimationFrame(frame);
  }, [s.value, metric.value, width.value, asTable.value, dragged.value, prefs.theme.value]);

  const find = (e: { offsetX: number; offsetY: number }): { vm?: Vm; host?: Host } => {
    const card = at(s.value.cards, e.offsetX, e.offsetY);
    const tile = card && at(card.tiles, e.offsetX, e.offsetY);
    const vm = tile && s.value.guests.get(tile.id);
    const host = card && s.value.hosts.get(card.id);
    return { ...(vm ? { vm } : {}), ...(host ? { host } : {}) };
  };
  const taken = (): string[] => [...chosen.value].filter((id) => s.value.guests.has(id));
  const onMove = (e: PointerEvent): void => {
    const { vm, host } = find(e);
    tip.value = vm ? `${vm.name}: ${percent(heatOf(vm, host, metric.value), 1)} %, ${ghz(vm.cpu_usage_mhz)}` : (host?.name ?? "");
    if (picked.current && e.buttons && !dragged.value && mayOperate()) pickUp(meant(taken(), picked.current));
    if (dragged.value && host) void hover(host.id, e);
  };
  const onUp = (e: PointerEvent): void => {
    const { vm, host } = find(e);
    if (dragged.value && host) void drop(host.id);
    else if (vm && (e.ctrlKey || e.metaKey)) chosen.value = choose([], { ids: chosen.value, anchor: "" }, vm.id, "toggle").ids;
    else if (e.button === 0 && (vm || host)) go((vm ?? host)?.id ?? "");
    dragged.value = null;
    picked.current = "";
  };

  return (
    <section class="card broad heat" aria-labelledby={`heat-${cluster.id}`}>
      <div class="bar-top">
        <h2 id={`heat-${cluster.id}`}>
          {t.heat.title} <span class="dim">{cluster.name}</span>
        </h2>
        <span class="dim">{t.heat.summary(s.value.hosts.size, s.value.guests.size, s.value.moves.length)}</span>
        <span class="grow" />
        <label>
          {t.heat.metric}{" "}
          <select value={metric.value} onChange={(e) => (metric.value = e.currentTarget.value as Metric)}>
            {Object.entries(t.heat.metrics).map(([id, title]) => (
              <option key={id} value={id}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <span class="scale" aria-hidden="true">
          {t.heat.low} <i /> {t.heat.high}
        </span>
        <button type="button" aria-pressed={asTable.value} onClick={() => (asTable.value = !asTable.value)}>
          {asTable.value ? t.chart.picture : t.heat.table}
        </button>
      </div>
      {asTable.value ? (
        <Twin s={s.value} metric={metric.value} />
      ) : (
        <div class="canvas">
          <canvas
            ref={canvas}
            role="img"
            aria-label={`${t.heat.label}. ${t.heat.summary(s.value.hosts.size, s.value.guests.size, s.value.moves.length)}`}
            onPointerDown={(e) => {
              if (e.button === 0) picked.current = find(e).vm?.id ?? "";
            }}
            onPointerMove={onMove}
            onPointerUp={onUp}
            onPointerLeave={() => (tip.value = "")}
            onContextMenu={(e) => {
              const { vm, host } = find(e);
              if (!vm && !host) return;
              e.preventDefault();
              const objects = vm ? meant(taken(), vm.id).map((id) => s.value.guests.get(id) as Vm) : [host as Host];
              openMenu(objects, { x: e.clientX, y: e.clientY });
            }}
          />
          <p class="dim tip">{tip.value || t.heat.help}</p>
        </div>
      )}
    </section>
  );
}
