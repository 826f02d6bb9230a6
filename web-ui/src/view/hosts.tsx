import type { Cluster, Host, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { Meter } from "../ui/meter.tsx";
import { gb } from "../ui/text.ts";

/** What can be lost, for each cluster that asks for it. */
function Failover({ cluster }: { cluster: Cluster }) {
  const low = cluster.ha_capacity !== null && cluster.ha_survives < cluster.ha_failover_level;
  return (
    <p class="dim" role={low ? "alert" : undefined}>
      <span class={`state ${low ? "bad" : "ok"}`}>
        <span aria-hidden="true">{low ? "▲" : "●"}</span> {cluster.name}
      </span>{" "}
      high availability: {cluster.ha_capacity ?? "not looked at yet"}
    </p>
  );
}

function HostCard({ host, guests }: { host: Host; guests: number }) {
  const up = host.connection_state === "connected";
  return (
    <li class={up ? "card" : "card down"}>
      <header>
        <span class={`dot ${up ? "ok" : "bad"}`} aria-hidden="true" />
        <strong>{host.name}</strong>
        <span class="dim">{up ? `${guests} on` : host.connection_state.replace("_", " ")}</span>
      </header>
      {up ? (
        <>
          <Meter label="CPU" part={host.cpu_usage_mhz} whole={host.cpu_total_mhz} text={`${(host.cpu_usage_mhz / 1000).toFixed(1)} of ${(host.cpu_total_mhz / 1000).toFixed(1)} GHz`} />
          <Meter label="Memory" part={host.memory_usage_mb} whole={host.memory_total_mb} text={`${gb(host.memory_usage_mb)} of ${gb(host.memory_total_mb)}`} />
        </>
      ) : (
        <p class="dim">{host.state_reason}</p>
      )}
      {host.ha_state && (
        <p class="dim">
          HA: {host.ha_state}
          {host.ha_fencing ? `, ${host.ha_fencing}` : ""}
        </p>
      )}
    </li>
  );
}

export function Hosts() {
  const hosts = inventory.all<Host>("host").sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const vms = inventory.all<Vm>("vm");
  const clusters = inventory.all<Cluster>("cluster").filter((c) => c.ha_enabled);
  return (
    <section aria-label="Hosts">
      {clusters.map((c) => (
        <Failover key={c.id} cluster={c} />
      ))}
      <ul class="cards">
        {hosts.map((h) => (
          <HostCard key={h.id} host={h} guests={vms.filter((v) => v.host === h.id && v.power_state === "powered_on").length} />
        ))}
      </ul>
      {!hosts.length && (
        <p class="empty">No hosts yet. Make an enrolment token with New-VMHostToken and run drover-agent enroll on the host.</p>
      )}
    </section>
  );
}
