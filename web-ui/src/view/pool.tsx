// Resource pools: what each may have, has, and uses.
import type { Host, Obj, Pool, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { open } from "../store/dialogs.ts";
import { may } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Facts } from "../ui/facts.tsx";
import { MenuButton, menuHandlers } from "../ui/menu.tsx";
import { gb, ghz } from "../ui/text.ts";
import { Ref } from "./columns.tsx";
import { dropHandlers } from "./drag.ts";
import { Starved } from "./starved.tsx";
import { ResourceTable } from "./vm.tsx";

interface Line {
  pool: Pool;
  depth: number;
  cpu: number;
  memory: number;
  guests: number;
}

const collator = new Intl.Collator("en", { numeric: true });

/** Pools with what the guests in them and below them use. */
function lines(root: string, pools: Pool[], vms: Vm[], depth = 0): Line[] {
  return pools
    .filter((p) => p.parent === root)
    .sort((a, b) => collator.compare(a.name, b.name))
    .flatMap((pool) => {
      const below = lines(pool.id, pools, vms, depth + 1);
      const own = vms.filter((v) => v.pool === pool.id && v.power_state === "powered_on");
      const children = below.filter((l) => l.depth === depth + 1);
      const add = (of: (v: Vm) => number, sum: (l: Line) => number): number =>
        own.reduce((n, v) => n + of(v), 0) + children.reduce((n, l) => n + sum(l), 0);
      return [
        {
          pool,
          depth,
          cpu: add(
            (v) => v.cpu_usage_mhz,
            (l) => l.cpu,
          ),
          memory: add(
            (v) => v.memory_usage_mb,
            (l) => l.memory,
          ),
          guests: add(
            () => 1,
            (l) => l.guests,
          ),
        },
        ...below,
      ];
    });
}

/** Reservation, usage and limit on one scale, the cluster's. */
function Triple({
  label,
  reservation,
  usage,
  limit,
  whole,
  text,
}: {
  label: string;
  reservation: number;
  usage: number;
  limit: number;
  whole: number;
  text: (n: number) => string;
}) {
  const pct = (n: number): string => `${whole > 0 ? Math.min(100, (100 * n) / whole) : 0}%`;
  const limitText = limit ? text(limit) : t.pool.unlimited;
  return (
    <span
      class="triple"
      role="img"
      aria-label={`${label}: ${t.pool.reservation} ${text(reservation)}, ${t.pool.usage} ${text(usage)}, ${t.pool.limit} ${limitText}`}
      title={`${t.pool.reservation} ${text(reservation)} · ${t.pool.usage} ${text(usage)} · ${t.pool.limit} ${limitText}`}
    >
      <span class="r" style={{ width: pct(reservation) }} />
      <span class={limit && usage > limit * 0.9 ? "u hot" : "u"} style={{ width: pct(usage) }} />
      <span class="l" style={{ width: limit ? pct(limit) : "100%" }} />
    </span>
  );
}

export function PoolTree({ root }: { root: string }) {
  const list = lines(root, inventory.all<Pool>("pool"), inventory.all<Vm>("vm"));
  const top = clusterOf(inventory.get(root));
  const hosts = inventory.all<Host>("host").filter((h) => h.parent === top?.id);
  const cpu = hosts.reduce((n, h) => n + h.cpu_total_mhz, 0);
  const memory = hosts.reduce((n, h) => n + h.memory_total_mb, 0);
  if (!list.length) return <p class="empty">{t.list.none}</p>;
  return (
    <div class="scroll" role="group" tabIndex={0} aria-label={t.pool.tree}>
      <p class="legend dim">
        <span class="key r" /> {t.pool.reservation} <span class="key u" /> {t.pool.usage} <span class="key l" /> {t.pool.limit}
      </p>
      <table>
        <thead>
          <tr>
            <th>{t.list.pool}</th>
            <th>{t.pool.cpu}</th>
            <th class="num">{t.pool.usage}</th>
            <th>{t.pool.shares}</th>
            <th>{t.pool.memory}</th>
            <th class="num">{t.pool.usage}</th>
            <th>{t.pool.shares}</th>
            <th>{t.pool.expandable}</th>
            <th class="num">{t.pool.guests}</th>
            <th>
              <span class="hidden">{t.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {list.map(({ pool: p, depth, ...use }) => (
            <tr key={p.id} data-pool={p.id} {...menuHandlers(() => [p])} {...dropHandlers(p.id)}>
              <td style={{ paddingLeft: `${10 + depth * 18}px` }}>
                <Ref id={p.id} />
              </td>
              <td>
                <Triple
                  label={t.pool.cpu}
                  reservation={p.cpu_reservation_mhz}
                  usage={use.cpu}
                  limit={p.cpu_limit_mhz}
                  whole={cpu}
                  text={ghz}
                />
              </td>
              <td class="num">{ghz(use.cpu)}</td>
              <td>{p.cpu_shares_level}</td>
              <td>
                <Triple
                  label={t.pool.memory}
                  reservation={p.mem_reservation_mb}
                  usage={use.memory}
                  limit={p.mem_limit_mb}
                  whole={memory}
                  text={gb}
                />
              </td>
              <td class="num">{gb(use.memory)}</td>
              <td>{p.mem_shares_level}</td>
              <td>
                {p.cpu_expandable ? t.pool.yes : t.pool.no} / {p.mem_expandable ? t.pool.yes : t.pool.no}
              </td>
              <td class="num">{use.guests}</td>
              <td>
                <MenuButton object={p} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function clusterOf(o: Obj | undefined): Obj | undefined {
  return !o || o.kind === "cluster" ? o : clusterOf(inventory.get(o.parent));
}

export function PoolSummary({ pool: p }: { pool: Pool }) {
  const vms = inventory.all<Vm>("vm").filter((v) => v.pool === p.id);
  return (
    <div class="grid">
      <section class="card">
        <h2>{t.vm.resources}</h2>
        <ResourceTable of={p} />
        {!p.is_root && may("administrator") && (
          <button type="button" onClick={() => open("edit-pool", [p])}>
            {t.action.edit}
          </button>
        )}
      </section>
      <Facts
        title={t.host.facts}
        rows={[
          [`${t.pool.cpu}: ${t.pool.expandable}`, p.cpu_expandable ? t.pool.yes : t.pool.no],
          [`${t.pool.memory}: ${t.pool.expandable}`, p.mem_expandable ? t.pool.yes : t.pool.no],
          [t.pool.scalable, p.scalable_shares ? t.pool.yes : t.pool.no],
          [t.pool.machines, vms.length],
        ]}
      />
      <Starved />
      <section class="card broad">
        <h2>{t.pool.tree}</h2>
        <PoolTree root={p.id} />
      </section>
    </div>
  );
}
