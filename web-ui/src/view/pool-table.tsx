// Pools as a tree table: what the picture shows, in numbers, for keys and for those who do not see.
import { type Signal, useSignal } from "@preact/signals";
import type { Pool } from "../net/types.ts";
import { open } from "../store/dialogs.ts";
import { openMenu } from "../store/menu.ts";
import { type Amounts, type Of, type PoolNode, isOverCommitted, poolRows } from "../store/pools.ts";
import { go } from "../store/route.ts";
import { may } from "../store/session.ts";
import { t } from "../text/en.ts";
import { MenuButton, menuHandlers } from "../ui/menu.tsx";
import { textOf } from "../ui/text.ts";
import { Ref } from "./columns.tsx";
import { dropHandlers } from "./drag.ts";

const units: Record<Of, string> = { cpu: "MHz", memory: "MB" };
const INDENT = 18;

/** Short to read, exact for who points at it, and for programs. */
function Amount({ of, n, none }: { of: Of; n: number; none?: string | undefined }) {
  if (!n && none) return <>{none}</>;
  return (
    <data value={n} title={`${n} ${units[of]}`}>
      {textOf[of](n)}
    </data>
  );
}

export const tell = (of: Of, a: Amounts): string =>
  [
    `${t.pool.reservation} ${textOf[of](a.reservation)}`,
    `${t.pool.usage} ${textOf[of](a.usage)}`,
    `${t.pool.limit} ${a.limit ? textOf[of](a.limit) : t.pool.unlimited}`,
    ...(isOverCommitted(a) ? [t.pool.over(textOf[of](a.held))] : []),
  ].join(" · ");

/** Reservation, usage and limit on one scale, the cluster's. */
function Triple({ of, a, whole }: { of: Of; a: Amounts; whole: number }) {
  const pct = (n: number): string => `${whole > 0 ? Math.min(100, (100 * n) / whole) : 0}%`;
  return (
    <span class="triple" role="img" aria-label={`${t.pool[of]}: ${tell(of, a)}`} title={tell(of, a)}>
      <span class={isOverCommitted(a) ? "r over" : "r"} style={{ width: pct(a.reservation) }} />
      <span class={a.limit && a.usage > a.limit * 0.9 ? "u hot" : "u"} style={{ width: pct(a.usage) }} />
      <span class="l" style={{ width: a.limit ? pct(a.limit) : "100%" }} />
    </span>
  );
}

const ofs: Of[] = ["cpu", "memory"];

function shares(p: Pool, of: Of): string {
  const [level, n] = of === "cpu" ? [p.cpu_shares_level, p.cpu_shares] : [p.mem_shares_level, p.mem_shares];
  const known = t.choice[level as "low" | "normal" | "high" | "custom"] ?? level ?? "";
  return n ? `${known} ${n}` : known;
}

/** The uppermost pool reserves nothing: it is the cluster. */
function Reserved({ node, of }: { node: PoolNode; of: Of }) {
  const n = node[of].reservation;
  return node.pool.is_root ? <span class="dim">{t.pool.whole(textOf[of](n))}</span> : <Amount of={of} n={n} />;
}

interface CellsProps {
  node: PoolNode;
  of: Of;
  whole: number;
  /** Of its guests, where it is counted. */
  entitled: number | undefined;
}

function Cells({ node, of, whole, entitled }: CellsProps) {
  const a = node[of];
  return (
    <>
      <td>
        <Triple of={of} a={a} whole={whole} />
      </td>
      <td class="num">
        <Reserved node={node} of={of} />
      </td>
      <td class="num">
        <Amount of={of} n={a.usage} />
      </td>
      <td class="num">
        <Amount of={of} n={a.limit} none={t.pool.unlimited} />
      </td>
      {of === "cpu" && <td class="num">{entitled === undefined ? "" : <Amount of={of} n={entitled} />}</td>}
      <td>{shares(node.pool, of)}</td>
      <td>{a.expandable ? t.pool.yes : t.pool.no}</td>
    </>
  );
}

function Head() {
  return (
    <thead>
      <tr>
        <th rowSpan={2}>{t.list.pool}</th>
        {ofs.map((of) => (
          <th key={of} colSpan={of === "cpu" ? 7 : 6} scope="colgroup">
            {t.pool[of]}
          </th>
        ))}
        <th rowSpan={2} class="num">
          {t.pool.guests}
        </th>
        <th rowSpan={2}>
          <span class="hidden">{t.actions}</span>
        </th>
      </tr>
      <tr class="second">
        {ofs.flatMap((of) =>
          [
            t.pool.bars,
            t.pool.reservation,
            t.pool.usage,
            t.pool.limit,
            ...(of === "cpu" ? [t.pool.entitlement] : []),
            t.pool.shares,
            t.pool.expandable,
          ].map((title, i) => (
            <th key={`${of}-${title}`} class={i > 0 && i < (of === "cpu" ? 5 : 4) ? "num" : ""}>
              {title}
            </th>
          )),
        )}
      </tr>
    </thead>
  );
}

function edit(pool: Pool): void {
  if (may("administrator") && !pool.is_root) open("edit-pool", [pool]);
}

interface TableProps {
  top: PoolNode;
  capacity: Record<Of, number>;
  entitled: ReadonlyMap<string, number>;
  /** The pool that is looked at here and in the picture. */
  marked: Signal<string>;
  /** Look at it alone. */
  zoom?: ((id: string) => void) | undefined;
}

export function PoolTable({ top, capacity, entitled, marked, zoom }: TableProps) {
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const rows = poolRows(top, closed.value);
  const stop = rows.some((n) => n.pool.id === marked.value) ? marked.value : top.pool.id;
  const turn = (id: string, shut: boolean): void => {
    const next = new Set(closed.value);
    if (shut) next.add(id);
    else next.delete(id);
    closed.value = next;
  };
  const onKey = (e: KeyboardEvent, node: PoolNode, at: number): void => {
    const { id } = node.pool;
    const to = (i: number): void => {
      const next = rows[Math.max(0, Math.min(rows.length - 1, i))];
      if (next) document.getElementById(`pool-row-${next.pool.id}`)?.focus();
    };
    const isOpen = node.children.length > 0 && !closed.value.has(id);
    if (e.target !== e.currentTarget) return;
    if (e.key === "ArrowDown") to(at + 1);
    else if (e.key === "ArrowUp") to(at - 1);
    else if (e.key === "Home") to(0);
    else if (e.key === "End") to(rows.length - 1);
    else if (e.key === "ArrowRight" && closed.value.has(id)) turn(id, false);
    else if (e.key === "ArrowRight" && isOpen) to(at + 1);
    else if (e.key === "ArrowLeft" && isOpen) turn(id, true);
    else if (e.key === "ArrowLeft") to(rows.slice(0, at).findLastIndex((r) => r.level < node.level));
    else if (e.key === "Enter") go(id);
    else if (e.key === " " && zoom) zoom(id);
    else if (e.key === "F2") edit(node.pool);
    else if (e.key === "ContextMenu" || (e.key === "F10" && e.shiftKey) || e.key === ".")
      openMenu([node.pool], e.currentTarget as HTMLElement);
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <div class="scroll" role="group" aria-label={t.pool.tree}>
      <p class="legend dim">
        <span class="key r" /> {t.pool.reservation} <span class="key u" /> {t.pool.usage} <span class="key l" /> {t.pool.limit}
        <span class="key r over" /> {t.pool.overKey}
      </p>
      <table role="treegrid" aria-label={t.pool.tree} class="pools">
        <Head />
        <tbody>
          {rows.map((node, at) => {
            const { pool: p } = node;
            return (
              <tr
                key={p.id}
                id={`pool-row-${p.id}`}
                data-pool={p.id}
                aria-level={node.level - top.level + 1}
                aria-posinset={node.position}
                aria-setsize={node.siblings}
                {...(node.children.length ? { "aria-expanded": !closed.value.has(p.id) } : {})}
                class={marked.value === p.id ? "selected" : ""}
                tabIndex={stop === p.id ? 0 : -1}
                {...menuHandlers(() => [p])}
                {...dropHandlers(p.id)}
                onKeyDown={(e) => onKey(e, node, at)}
                onDblClick={() => edit(p)}
                onFocus={() => (marked.value = p.id)}
              >
                <th scope="row" style={{ paddingLeft: `${4 + (node.level - top.level) * INDENT}px` }}>
                  <span class="twist" aria-hidden="true" onClick={() => node.children.length && turn(p.id, !closed.value.has(p.id))}>
                    {node.children.length ? (closed.value.has(p.id) ? "▸" : "▾") : ""}
                  </span>
                  <Ref id={p.id} />
                </th>
                <Cells node={node} of="cpu" whole={capacity.cpu} entitled={entitled.get(p.id)} />
                <Cells node={node} of="memory" whole={capacity.memory} entitled={undefined} />
                <td class="num">{node.guests}</td>
                <td>
                  <MenuButton object={p} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
