// The first page: how everything stands, at a glance, also when nothing is wrong.
import { computed } from "@preact/signals";
import type { Cluster, Datastore, Host, Task, Vm } from "../net/types.ts";
import { inventory, tasks } from "../store/collection.ts";
import { events } from "../store/events.ts";
import { href } from "../store/route.ts";
import { t } from "../text/en.ts";
import { Bar } from "../ui/bars.tsx";
import { bytes, gb, ghz } from "../ui/text.ts";
import { Alarms } from "./alarms.tsx";
import { Ref } from "./columns.tsx";
import { TaskRows, newest } from "./dock.tsx";
import { EventRows } from "./events.tsx";
import { HeatMap } from "./heat.tsx";
import { TagCard } from "./tags.tsx";

const TOP = 5;

const hosts = computed(() => inventory.all<Host>("host"));
const vms = computed(() => inventory.all<Vm>("vm"));
const sum = <T,>(list: T[], of: (x: T) => number): number => list.reduce((n, x) => n + of(x), 0);

function Number_({ label, value, to }: { label: string; value: string; to: string }) {
  return (
    <a class="big" href={href(to)}>
      <span class="value">{value}</span>
      <span class="dim">{label}</span>
    </a>
  );
}

function Capacity() {
  const up = hosts.value.filter((h) => h.connection_state === "connected");
  const stores = inventory.all<Datastore>("datastore");
  const cpu = sum(up, (h) => h.cpu_usage_mhz);
  const cpuAll = sum(up, (h) => h.cpu_total_mhz);
  const mem = sum(up, (h) => h.memory_usage_mb);
  const memAll = sum(up, (h) => h.memory_total_mb);
  const disk = sum(stores, (d) => d.capacity_bytes - d.free_bytes);
  const diskAll = sum(stores, (d) => d.capacity_bytes);
  return (
    <section class="card">
      <h2>{t.cluster.capacity}</h2>
      <Bar label={t.overview.cpu} part={cpu} whole={cpuAll} text={`${ghz(cpu)} of ${ghz(cpuAll)}`} />
      <Bar label={t.overview.memory} part={mem} whole={memAll} text={`${gb(mem)} of ${gb(memAll)}`} />
      <Bar label={t.overview.storage} part={disk} whole={diskAll} text={`${bytes(disk)} of ${bytes(diskAll)}`} />
    </section>
  );
}

function Top() {
  const busy = vms.value
    .filter((v) => v.power_state === "powered_on")
    .sort((a, b) => b.cpu_usage_mhz - a.cpu_usage_mhz)
    .slice(0, TOP);
  return (
    <section class="card">
      <h2>{t.overview.top}</h2>
      {busy.map((v) => (
        <div key={v.id} class="topline">
          <Ref id={v.id} />
          <Bar label="" part={v.cpu_usage_mhz} whole={busy[0]?.cpu_usage_mhz ?? 0} hot={2} text={ghz(v.cpu_usage_mhz)} />
        </div>
      ))}
      {!busy.length && <p class="dim">{t.overview.none}</p>}
    </section>
  );
}

function Clusters() {
  const clusters = inventory.all<Cluster>("cluster");
  return (
    <section class="card">
      <h2>{t.pages.clusters}</h2>
      {clusters.map((c) => {
        const low = c.ha_enabled && c.ha_capacity !== null && c.ha_survives < c.ha_failover_level;
        return (
          <p key={c.id} role={low ? "alert" : undefined}>
            <Ref id={c.id} /> <span class="dim">{t.overview.ha}:</span>{" "}
            <a href={href(c.id, "ha")} class={low ? "bad" : ""}>
              {low ? "▲ " : ""}
              {c.ha_enabled ? (c.ha_capacity ?? t.page.loading) : t.overview.off}
            </a>{" "}
            <span class="dim">{t.overview.drs}:</span>{" "}
            <a href={href(c.id, "drs")}>{c.drs_enabled ? c.drs_automation_level.replaceAll("_", " ") : t.overview.off}</a>
          </p>
        );
      })}
      {!clusters.length && <p class="dim">{t.list.none}</p>}
    </section>
  );
}

export function Overview() {
  const running = tasks
    .all<Task>("task")
    .filter((x) => ["queued", "running"].includes(x.state))
    .sort(newest);
  const up = hosts.value.filter((h) => h.connection_state === "connected").length;
  const on = vms.value.filter((v) => v.power_state === "powered_on").length;
  const first = inventory.all<Cluster>("cluster")[0];
  return (
    <section class="page" aria-labelledby="title">
      <header class="bar-top">
        <h1 id="title">{t.pages.home}</h1>
        <span class="grow" />
        <Number_ label={t.overview.hosts} value={`${up}/${hosts.value.length}`} to="hosts" />
        <Number_ label={t.overview.on} value={`${on}/${vms.value.length}`} to="vms" />
      </header>
      <div class="body grid">
        {first && <HeatMap cluster={first} />}
        {!hosts.value.length && inventory.loaded.value && (
          <section class="card">
            <h2>{t.overview.welcome}</h2>
            <p>{t.overview.welcomeText}</p>
          </section>
        )}
        <Capacity />
        <Clusters />
        <Top />
        <TagCard />
        <section class="card">
          <h2>{t.overview.running}</h2>
          {running.length ? <TaskRows list={running.slice(0, TOP)} /> : <p class="dim">{t.overview.noRunning}</p>}
        </section>
        <section class="card broad">
          <h2>
            <a href={href("alarms")}>{t.overview.alarms}</a>
          </h2>
          <Alarms />
        </section>
        <section class="card broad">
          <h2>{t.overview.changes}</h2>
          <EventRows list={events.value.slice(0, TOP * 2)} />
        </section>
      </div>
    </section>
  );
}
