import type { Datastore, MoveResult, Recommendation, Resources, Snapshot, Task, Vm } from "../net/types.ts";
import { inventory, tasks } from "../store/collection.ts";
import { open } from "../store/dialogs.ts";
import { mayOperate } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Facts } from "../ui/facts.tsx";
import { bytes, gb, ghz, moment } from "../ui/text.ts";
import { Ref } from "./columns.tsx";
import { newest } from "./dock.tsx";
import { MiniChart } from "./mini-chart.tsx";
import { Why } from "./why.tsx";

export function ResourceTable({ of: r }: { of: Resources }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{t.vm.resources}</th>
          <th>{t.vm.shares}</th>
          <th class="num">{t.vm.reservation}</th>
          <th class="num">{t.vm.limit}</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">{t.pool.cpu}</th>
          <td>
            {r.cpu_shares_level ?? "normal"} {r.cpu_shares || ""}
          </td>
          <td class="num">{ghz(r.cpu_reservation_mhz)}</td>
          <td class="num">{r.cpu_limit_mhz ? ghz(r.cpu_limit_mhz) : t.pool.unlimited}</td>
        </tr>
        <tr>
          <th scope="row">{t.pool.memory}</th>
          <td>
            {r.mem_shares_level ?? "normal"} {r.mem_shares || ""}
          </td>
          <td class="num">{gb(r.mem_reservation_mb)}</td>
          <td class="num">{r.mem_limit_mb ? gb(r.mem_limit_mb) : t.pool.unlimited}</td>
        </tr>
      </tbody>
    </table>
  );
}

/** Each move with who or what wanted it; the balancer's own words where it was the balancer. */
function Moves({ vm }: { vm: Vm }) {
  const moves = tasks
    .all<Task>("task")
    .filter((x) => x.op === "vm.migrate" && x.entity === vm.id)
    .sort(newest);
  const recs = inventory.all<Recommendation>("rec");
  const recOf = (x: Task): Recommendation | undefined => recs.find((k) => k.task === x.id);
  const newestWhy = moves.find(recOf);
  return (
    <section class="card broad">
      <h2>{t.vm.moves}</h2>
      {moves.length ? (
        <ul class="moves">
          {moves.map((x) => {
            const r = x.result as (MoveResult & { from: string; to: string }) | null;
            const rec = recOf(x);
            return (
              <li key={x.id}>
                <span class="mono dim">{moment(x.started_at ?? x.created_at)}</span>{" "}
                {r ? t.vm.moveTo(inventory.name(r.from), inventory.name(r.to)) : (x.error_message ?? x.state)}
                {typeof r?.outage_ms === "number" && `, ${t.vm.outage(r.outage_ms)}`}, {rec ? t.vm.byDrs : t.vm.byHand(x.user_name ?? "")}
                {rec && (
                  <details open={x === newestWhy}>
                    <summary>{t.cluster.why}</summary>
                    <Why move={rec} />
                  </details>
                )}
              </li>
            );
          })}
        </ul>
      ) : (
        <p class="dim">{t.vm.noMoves}</p>
      )}
    </section>
  );
}

export function VmSummary({ vm }: { vm: Vm }) {
  const snapshots = inventory.all<Snapshot>("snap").filter((s) => s.parent === vm.id);
  const addresses = vm.guest_addresses?.length ? vm.guest_addresses.join(", ") : vm.ip_address;
  return (
    <div class="grid">
      <Facts
        title={t.vm.guest}
        rows={[
          [t.list.host, <Ref id={vm.host} />],
          [t.list.pool, <Ref id={vm.pool} />],
          [t.list.address, addresses],
          [t.vm.hostName, vm.guest_host_name],
          [t.vm.os, vm.guest_os],
          [t.vm.started, moment(vm.started_at)],
          [t.vm.template, vm.template && <Ref id={vm.template} />],
          [t.vm.engine, vm.engine],
          [t.overview.ha, vm.ha_protected ? t.vm.protected : (vm.ha_status ?? t.vm.notProtected)],
          [t.vm.snapshots, snapshots.length || null],
          [t.vm.notes, vm.notes],
          [t.vm.uuid, <span class="mono">{vm.uuid}</span>],
        ]}
      />
      <section class="card">
        <h2>{t.vm.resources}</h2>
        <p>
          {vm.num_cpu} {t.list.cpus}, {gb(vm.memory_mb)} {t.list.memory}
          {vm.power_state === "powered_on" && (
            <span class="dim">
              {" "}
              · {ghz(vm.cpu_usage_mhz)}, {gb(vm.memory_usage_mb)} {t.cluster.used}
            </span>
          )}
        </p>
        <ResourceTable of={vm} />
        {mayOperate() && (
          <button type="button" onClick={() => open("edit-vm", [vm])}>
            {t.action.edit}
          </button>
        )}
      </section>
      <MiniChart object={vm} counter="cpu.usagemhz.average" />
      <MiniChart object={vm} counter="mem.consumed.average" />
      <Moves vm={vm} />
    </div>
  );
}

export function VmConfigure({ vm }: { vm: Vm }) {
  return (
    <div class="grid">
      <section class="card broad">
        <h2>{t.vm.disks}</h2>
        <table>
          <thead>
            <tr>
              <th>{t.list.name}</th>
              <th>{t.kind.datastore}</th>
              <th>{t.store.path}</th>
              <th>{t.list.format}</th>
              <th class="num">{t.list.size}</th>
            </tr>
          </thead>
          <tbody>
            {(vm.disks ?? []).map((d) => (
              <tr key={d.name}>
                <td>{d.name}</td>
                <td>{inventory.get<Datastore>(d.datastore) ? <Ref id={d.datastore} /> : d.datastore}</td>
                <td class="mono">{d.path}</td>
                <td>{d.format}</td>
                <td class="num">{bytes(d.size_bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <section class="card broad">
        <h2>{t.vm.nics}</h2>
        <table>
          <thead>
            <tr>
              <th>{t.list.name}</th>
              <th>{t.kind.network}</th>
              <th>MAC</th>
              <th>{t.list.address}</th>
            </tr>
          </thead>
          <tbody>
            {(vm.nics ?? []).map((n) => (
              <tr key={n.name}>
                <td>{n.name}</td>
                <td>
                  <Ref id={n.network} />
                </td>
                <td class="mono">{n.mac}</td>
                <td class="mono">{n.address}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <Facts
        title={t.cluster.settings}
        rows={[
          [t.vm.automation, vm.drs_automation?.replaceAll("_", " ") ?? t.choice.asCluster],
          [t.vm.priority, vm.ha_restart_priority ?? t.choice.asCluster],
          [t.vm.response, vm.ha_isolation_response?.replaceAll("_", " ") ?? t.choice.asCluster],
        ]}
      >
        {mayOperate() && (
          <button type="button" onClick={() => open("edit-vm", [vm])}>
            {t.action.edit}
          </button>
        )}
      </Facts>
    </div>
  );
}
