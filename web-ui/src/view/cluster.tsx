import type { Cluster, Host, Obj, Rule, Vm } from "../net/types.ts";
import { deviation, drsScore } from "../store/balance.ts";
import { inventory } from "../store/collection.ts";
import { open } from "../store/dialogs.ts";
import { href } from "../store/route.ts";
import { may } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Bar } from "../ui/bars.tsx";
import { Facts } from "../ui/facts.tsx";
import { MenuButton, menuHandlers } from "../ui/menu.tsx";
import { gb, ghz } from "../ui/text.ts";
import { Ref } from "./columns.tsx";
import { HeatMap } from "./heat.tsx";

export const hostsOf = (cluster: Obj): Host[] => inventory.all<Host>("host").filter((h) => h.parent === cluster.id);
export const guestsOf = (hosts: Host[]): Vm[] => {
  const ids = new Set(hosts.map((h) => h.id));
  return inventory.all<Vm>("vm").filter((v) => v.host !== null && ids.has(v.host));
};
const sum = <T,>(list: T[], of: (x: T) => number): number => list.reduce((n, x) => n + of(x), 0);

function Score({ hosts, guests }: { hosts: Host[]; guests: Vm[] }) {
  const on = guests.filter((v) => v.power_state === "powered_on");
  const given = (h: Host): number =>
    sum(
      on.filter((v) => v.host === h.id),
      (v) => v.memory_mb,
    );
  const cpu = deviation(hosts.map((h) => h.cpu_usage_mhz / (h.cpu_total_mhz || 1)));
  const memory = deviation(hosts.map((h) => given(h) / (h.memory_total_mb || 1)));
  const score = drsScore(cpu, memory);
  return (
    <section class="card">
      <h2>{t.cluster.balance}</h2>
      <Bar label={t.cluster.score} part={score} whole={100} hot={2} text={t.cluster.scoreText(score)} />
      <p class="dim">{t.cluster.scoreHelp}</p>
      {hosts.map((h) => (
        <div key={h.id}>
          <Ref id={h.id} />
          <Bar
            label={t.cluster.cpu}
            part={h.cpu_usage_mhz}
            whole={h.cpu_total_mhz}
            text={`${ghz(h.cpu_usage_mhz)} of ${ghz(h.cpu_total_mhz)}`}
          />
          <Bar
            label={t.cluster.memory}
            part={h.memory_usage_mb}
            whole={h.memory_total_mb}
            text={`${gb(h.memory_usage_mb)} of ${gb(h.memory_total_mb)}`}
          />
        </div>
      ))}
    </section>
  );
}

export function ClusterSummary({ cluster }: { cluster: Cluster }) {
  const hosts = hostsOf(cluster).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const up = hosts.filter((h) => h.connection_state === "connected");
  const guests = guestsOf(hosts);
  const cpu = sum(up, (h) => h.cpu_usage_mhz);
  const cpuAll = sum(up, (h) => h.cpu_total_mhz);
  const mem = sum(up, (h) => h.memory_usage_mb);
  const memAll = sum(up, (h) => h.memory_total_mb);
  const cpuKept = sum(guests, (v) => v.cpu_reservation_mhz);
  const memKept = sum(guests, (v) => v.mem_reservation_mb);
  const broken = inventory.all<Rule>("rule").filter((r) => r.parent === cluster.id && r.conflict);
  return (
    <div class="grid">
      <section class="card">
        <h2>{t.cluster.capacity}</h2>
        <Bar label={t.cluster.cpu} part={cpu} whole={cpuAll} reserved={cpuKept} text={`${ghz(cpu)} of ${ghz(cpuAll)}`} />
        <Bar label={t.cluster.memory} part={mem} whole={memAll} reserved={memKept} text={`${gb(mem)} of ${gb(memAll)}`} />
        <p class="dim">
          {t.cluster.reserved}: {ghz(cpuKept)}, {gb(memKept)}
        </p>
      </section>
      <Facts
        title={t.host.facts}
        rows={[
          [t.tab.hosts ?? "", `${up.length}/${hosts.length}`],
          [t.tab.vms ?? "", `${guests.filter((v) => v.power_state === "powered_on").length}/${guests.length}`],
          [
            t.overview.drs,
            <a href={href(cluster.id, "drs")}>
              {cluster.drs_enabled ? cluster.drs_automation_level.replaceAll("_", " ") : t.overview.off}
            </a>,
          ],
          [
            t.overview.ha,
            <a href={href(cluster.id, "ha")}>{cluster.ha_enabled ? (cluster.ha_capacity ?? t.page.loading) : t.overview.off}</a>,
          ],
          [
            t.cluster.rules,
            broken.length ? <a href={href(cluster.id, "configure")}>▲ {broken.map((r) => `${r.name}: ${r.conflict}`).join("; ")}</a> : null,
          ],
        ]}
      />
      <Score hosts={up} guests={guests} />
      <HeatMap cluster={cluster} />
    </div>
  );
}

function names(ids: string[]): string {
  return ids.map((id) => inventory.name(id)).join(", ");
}

function Rules({ cluster }: { cluster: Cluster }) {
  const rules = inventory.all<Rule>("rule").filter((r) => r.parent === cluster.id);
  return (
    <section class="card broad">
      <h2>{t.cluster.rules}</h2>
      {rules.length ? (
        <table>
          <thead>
            <tr>
              <th>{t.list.name}</th>
              <th>{t.cluster.type}</th>
              <th>{t.cluster.members}</th>
              <th>{t.cluster.enabled}</th>
              <th>{t.cluster.conflict}</th>
              <th>
                <span class="hidden">{t.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rules.map((r) => (
              <tr key={r.id} {...menuHandlers(() => [r])}>
                <td>{r.name}</td>
                <td>{t.rule.types[r.type] ?? r.type}</td>
                <td>
                  {[names([...r.vms, ...(r.vm_group ? [r.vm_group] : [])]), names([...r.hosts, ...(r.host_group ? [r.host_group] : [])])]
                    .filter(Boolean)
                    .join(" → ")}
                </td>
                <td>{r.enabled ? t.pool.yes : t.pool.no}</td>
                <td class="warn">{r.conflict}</td>
                <td>
                  <MenuButton object={r} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p class="dim">{t.cluster.noRules}</p>
      )}
      {may("administrator") && (
        <button type="button" onClick={() => open("new-rule", [cluster])}>
          {t.action.newRule}
        </button>
      )}
    </section>
  );
}

export function ClusterConfigure({ cluster: c }: { cluster: Cluster }) {
  const yes = (b: boolean): string => (b ? t.pool.yes : t.pool.no);
  return (
    <div class="grid">
      <Facts
        title={t.cluster.settings}
        rows={[
          [t.overview.drs, yes(c.drs_enabled)],
          [t.cluster.level, c.drs_automation_level.replaceAll("_", " ")],
          [t.cluster.threshold, c.drs_threshold],
          [t.cluster.power, c.dpm_automation],
          [t.overview.ha, yes(c.ha_enabled)],
          [t.cluster.admission, c.ha_admission],
          [t.cluster.failures, c.ha_failover_level],
          [t.cluster.overcommit, c.memory_overcommit_permille],
        ]}
      >
        {may("administrator") && (
          <button type="button" onClick={() => open("edit-cluster", [c])}>
            {t.action.settings}
          </button>
        )}
      </Facts>
      <Rules cluster={c} />
    </div>
  );
}
