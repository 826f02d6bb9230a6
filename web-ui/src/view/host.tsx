import type { Host, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";
import { Bar } from "../ui/bars.tsx";
import { Facts } from "../ui/facts.tsx";
import { gb, ghz, moment } from "../ui/text.ts";
import { MiniChart } from "./mini-chart.tsx";

export function HostSummary({ host: h }: { host: Host }) {
  const guests = inventory.all<Vm>("vm").filter((v) => v.host === h.id);
  const on = guests.filter((v) => v.power_state === "powered_on");
  const given = on.reduce((n, v) => n + v.memory_mb, 0);
  return (
    <div class="grid">
      <section class="card">
        <h2>{t.cluster.capacity}</h2>
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
          reserved={given}
          text={`${gb(h.memory_usage_mb)} of ${gb(h.memory_total_mb)}`}
        />
        <p class="dim">
          {on.length}/{guests.length} {t.list.machines}, {gb(given)} {t.list.memory}
        </p>
        {h.flapping && <p class="warn">▲ {t.host.flapping}</p>}
        {h.health_remedy === "quarantine" && <p class="warn">▲ {t.host.quarantine}</p>}
        {h.health_conditions?.map((c) => (
          <p key={c.text} class={c.severity === "severe" ? "problem" : "warn"}>
            ▲ {c.component}: {c.text}
          </p>
        ))}
        {h.state_reason && <p class="problem">{h.state_reason}</p>}
      </section>
      <Facts
        title={t.host.facts}
        rows={[
          [t.host.model, `${h.cpu_model ?? ""} · ${t.host.cores(h.cpu_cores)}`],
          [t.list.memory, gb(h.memory_total_mb)],
          [t.host.kernel, h.kernel],
          [t.host.agent, h.agent_version],
          [
            t.host.engines,
            h.engines
              ?.filter((e) => e.usable)
              .map((e) => `${e.name} ${e.version}${e.accelerator ? ` (${e.accelerator})` : ""}`)
              .join(", "),
          ],
          [t.host.address, h.address],
          [t.host.boot, moment(h.boot_time)],
          [t.host.health, t.host.healths[h.health]],
          [t.overview.ha, h.ha_state && `${h.ha_state} ${h.ha_fencing ?? ""}`],
        ]}
      />
      <MiniChart object={h} counter="cpu.usage.average" />
      <MiniChart object={h} counter="mem.usage.average" />
    </div>
  );
}
