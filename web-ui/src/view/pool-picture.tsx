// Pools as a picture: rings are depths, angles what is reserved or used; and its twin, the table.
import { type Signal, useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Host, Obj, Pool, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { open } from "../store/dialogs.ts";
import { openMenu } from "../store/menu.ts";
import {
  type By,
  type Capacity,
  type Of,
  type PoolNode,
  type Slice,
  isOverCommitted,
  middleOf,
  poolPath,
  poolTree,
  ringPath,
  slices,
  tickPath,
} from "../store/pools.ts";
import { route, setQuery } from "../store/route.ts";
import { may } from "../store/session.ts";
import { latest, poolSums } from "../store/stats.ts";
import { t } from "../text/en.ts";
import { textOf } from "../ui/text.ts";
import { Ref } from "./columns.tsx";
import { PoolTable, tell } from "./pool-table.tsx";

const RADIUS = 200;
const CENTRE = 46;
const LETTER = 7;
const BRANCHES = 5;
const REFRESH_MS = 20_000;
const ENTITLEMENT = "cpu.entitlement.latest";

function clusterOf(o: Obj | undefined): Obj | undefined {
  return !o || o.kind === "cluster" ? o : clusterOf(inventory.get(o.parent));
}

function capacityOf(cluster: Obj | undefined): Capacity {
  const up = inventory.all<Host>("host").filter((h) => h.parent === cluster?.id && h.connection_state === "connected");
  return { cpu: up.reduce((n, h) => n + h.cpu_total_mhz, 0), memory: up.reduce((n, h) => n + h.memory_total_mb, 0) };
}

/** Of each pool, what it is entitled to with all that is below it. */
function entitlements(top: PoolNode, own: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  const add = (n: PoolNode): number => {
    const sum = n.children.reduce((total, c) => total + add(c), own.get(n.pool.id) ?? 0);
    all.set(n.pool.id, sum);
    return sum;
  };
  if (own.size) add(top);
  return all;
}

/** What guests are entitled to is counted on their hosts; without that the column stays empty. */
function useEntitlements(): Signal<ReadonlyMap<string, number>> {
  const own = useSignal<ReadonlyMap<string, number>>(new Map());
  useEffect(() => {
    const look = (): void => {
      poolSums([ENTITLEMENT])
        .then((s) => (own.value = new Map(s.series.map((x) => [x.object, Math.round(latest(x.values))]))))
        .catch(() => undefined); // the figures beside it are what the page is for
    };
    look();
    const timer = setInterval(look, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return own;
}

interface PartProps {
  slice: Slice;
  inner: number;
  outer: number;
  of: Of;
  marked: Signal<string>;
  zoom: (id: string) => void;
}

function Part({ slice: s, inner, outer, of, marked, zoom }: PartProps) {
  const { pool } = s.node;
  const a = s.node[of];
  const path = ringPath(s.from, s.to, inner, outer);
  const name = middleOf(s, inner, outer);
  const letters = Math.floor(Math.min(name.room, outer - inner + 30) / LETTER);
  const text = pool.name.length > letters ? `${pool.name.slice(0, Math.max(0, letters - 1))}…` : pool.name;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: for pointers; keys have the table
    <g
      class={`part b${s.branch % BRANCHES} ${marked.value === pool.id ? "marked" : ""}`}
      data-slice={pool.id}
      onClick={() => zoom(pool.id)}
      onPointerEnter={() => (marked.value = pool.id)}
      onContextMenu={(e) => {
        e.preventDefault();
        openMenu([pool], { x: e.clientX, y: e.clientY });
      }}
    >
      <title>{`${pool.name}: ${tell(of, a)}`}</title>
      <path d={path} class="ring" fill-opacity={0.75 - 0.14 * Math.min(3, s.depth - 1)} />
      {isOverCommitted(a) && <path d={path} class="hatched" />}
      {s.limit !== null && <path d={tickPath(s.from, s.limit, outer - 2)} class="tick" />}
      {letters > 3 && (
        <text x={name.x} y={name.y}>
          {text}
        </text>
      )}
    </g>
  );
}

interface PictureProps {
  top: PoolNode;
  of: Of;
  by: By;
  marked: Signal<string>;
  zoom: (id: string) => void;
}

function Picture({ top, of, by, marked, zoom }: PictureProps) {
  const list = slices(top, of, by);
  const depth = list.reduce((n, s) => Math.max(n, s.depth), 1);
  const width = (RADIUS - CENTRE) / depth;
  const a = top[of];
  return (
    <svg
      class="sunburst"
      viewBox={`${-RADIUS - 8} ${-RADIUS - 8} ${2 * RADIUS + 16} ${2 * RADIUS + 16}`}
      role="img"
      aria-label={t.pool.label(top.pool.name, list.length - 1)}
    >
      <defs>
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <path d="M0 0V6" class="hatching" />
        </pattern>
      </defs>
      <circle r={RADIUS} class="rest" />
      {list.slice(1).map((s) => (
        <Part
          key={s.node.pool.id}
          slice={s}
          inner={CENTRE + (s.depth - 1) * width + 1}
          outer={CENTRE + s.depth * width}
          of={of}
          marked={marked}
          zoom={zoom}
        />
      ))}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: for pointers; keys have the path above */}
      <g class="centre" onClick={() => zoom(top.pool.parent ?? "")} onPointerEnter={() => (marked.value = top.pool.id)}>
        <title>{`${top.pool.name}: ${tell(of, a)}`}</title>
        <circle r={CENTRE - 2} />
        {isOverCommitted(a) && <circle r={CENTRE - 2} class="hatched" />}
        <text y="-6">{textOf[of](a[by])}</text>
        <text y="12" class="small">
          {by === "usage" ? t.pool.usage : t.pool.reservation}
        </text>
      </g>
    </svg>
  );
}

function Choice<T extends string>({
  label,
  now,
  options,
  set,
}: {
  label: string;
  now: T;
  options: Record<T, string>;
  set: (v: T) => void;
}) {
  return (
    <div class="switch" role="group" aria-label={label}>
      {(Object.entries(options) as [T, string][]).map(([id, title]) => (
        <button key={id} type="button" aria-pressed={now === id} onClick={() => set(id)}>
          {title}
        </button>
      ))}
    </div>
  );
}

/** The pool that is looked at, in words, and what can be done about it. */
function Looked({ node, of, whole, zoomed, zoom }: { node: PoolNode; of: Of; whole: number; zoomed: boolean; zoom: (id: string) => void }) {
  const a = node[of];
  const text = textOf[of];
  const { pool } = node;
  return (
    <div class="looked">
      <h3>
        <Ref id={pool.id} />
      </h3>
      <dl class="facts">
        {(
          [
            [t.pool.reservation, pool.is_root ? t.pool.whole(text(whole)) : text(a.reservation)],
            [t.pool.held, text(a.held)],
            [t.pool.usage, text(a.usage)],
            [t.pool.limit, a.limit ? text(a.limit) : t.pool.unlimited],
            [t.pool.expandable, a.expandable ? t.pool.yes : t.pool.no],
            [t.pool.guests, node.guests],
          ] as [string, string | number][]
        ).map(([k, v]) => (
          <div key={k}>
            <dt>{k}</dt>
            <dd>{v}</dd>
          </div>
        ))}
      </dl>
      {isOverCommitted(a) && <p class="warn">▲ {t.pool.over(text(a.held))}</p>}
      <div class="buttons left">
        {!zoomed && node.children.length > 0 && (
          <button type="button" onClick={() => zoom(pool.id)}>
            {t.pool.zoom}
          </button>
        )}
        {may("administrator") && !pool.is_root && (
          <button type="button" onClick={() => open("edit-pool", [pool])}>
            {t.action.edit}
          </button>
        )}
        {may("administrator") && (
          <button type="button" onClick={() => open("new-pool", [pool])}>
            {t.action.newPool}
          </button>
        )}
      </div>
    </div>
  );
}

/** Of a cluster or a pool: its pools. table: the numbers alone. */
export default function PoolPicture({ root, table }: { root: string; table?: boolean }) {
  const marked = useSignal("");
  const own = useEntitlements();
  const built = useComputed(() => {
    const pools = inventory.all<Pool>("pool");
    const top = inventory.get<Pool>(root)?.kind === "pool" ? inventory.get<Pool>(root) : pools.find((p) => p.parent === root);
    const capacity = capacityOf(clusterOf(inventory.get(root)));
    return top ? { top: poolTree(top, pools, inventory.all<Vm>("vm"), capacity), capacity } : null;
  });
  if (!built.value) return <p class="empty">{t.list.none}</p>;
  const { top, capacity } = built.value;
  const entitled = entitlements(top, own.value);
  if (table) return <PoolTable top={top} capacity={capacity} entitled={entitled} marked={marked} />;

  const { query } = route.value;
  const of: Of = query.get("of") === "memory" ? "memory" : "cpu";
  const by: By = query.get("by") === "usage" ? "usage" : "reservation";
  const path = poolPath(top, query.get("zoom") ?? "");
  const shown = path.at(-1) ?? top;
  const zoom = (id: string): void => {
    if (poolPath(top, id).length) setQuery("zoom", id === top.pool.id ? "" : id);
  };
  const looked = poolPath(shown, marked.value).at(-1) ?? shown;
  return (
    <div class="picture">
      <section class="card broad" aria-label={t.pool.picture}>
        <div class="bar-top">
          <nav aria-label={t.pool.path} class="path">
            {(path.length ? path : [top]).map((n, i, all) => (
              <span key={n.pool.id}>
                {i < all.length - 1 ? (
                  <>
                    <button type="button" class="plain link" onClick={() => zoom(n.pool.id)}>
                      {n.pool.name}
                    </button>{" "}
                    ›{" "}
                  </>
                ) : (
                  <strong aria-current="true">{n.pool.name}</strong>
                )}
              </span>
            ))}
          </nav>
          <span class="grow" />
          <Choice label={t.pool.resource} now={of} options={{ cpu: t.pool.cpu, memory: t.pool.memory }} set={(v) => setQuery("of", v)} />
          <Choice
            label={t.pool.angle}
            now={by}
            options={{ reservation: t.pool.reservation, usage: t.pool.usage }}
            set={(v) => setQuery("by", v)}
          />
        </div>
        <div class="beside">
          <Picture top={shown} of={of} by={by} marked={marked} zoom={zoom} />
          <Looked node={looked} of={of} whole={capacity[of]} zoomed={looked === shown} zoom={zoom} />
        </div>
        <p class="dim">{t.pool.help}</p>
      </section>
      <section class="card broad">
        <PoolTable top={shown} capacity={capacity} entitled={entitled} marked={marked} zoom={zoom} />
      </section>
    </div>
  );
}
