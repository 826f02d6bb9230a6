// Resource pools: what each may have, has, and uses.
import type { Cluster, Pool, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { open } from "../store/dialogs.ts";
import { go, route } from "../store/route.ts";
import { may } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Facts } from "../ui/facts.tsx";
import { lazy } from "../ui/lazy.tsx";
import { Starved } from "./starved.tsx";
import { ResourceTable } from "./vm.tsx";

export const PoolPicture = lazy(() => import("./pool-picture.tsx"));

/** The pools of one cluster, which the address may name, and above them who starves. */
export function Pools() {
  const clusters = inventory.all<Cluster>("cluster");
  const named = inventory.get<Cluster>(route.value.query.get("cluster"));
  const cluster = named ?? clusters[0];
  return (
    <div class="body">
      <Starved />
      {clusters.length > 1 && (
        <label class="inline">
          {t.list.cluster}{" "}
          <select value={cluster?.id ?? ""} onChange={(e) => go("pools", "", `cluster=${e.currentTarget.value}`)}>
            {clusters.map((c) => (
              <option key={c.id} value={c.id}>
                {c.name}
              </option>
            ))}
          </select>
        </label>
      )}
      {cluster ? <PoolPicture key={cluster.id} root={cluster.id} /> : <p class="empty">{t.list.none}</p>}
    </div>
  );
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
        <PoolPicture root={p.id} table />
      </section>
    </div>
  );
}
