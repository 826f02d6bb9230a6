// The columns of each kind's lists.
import type { Cluster, Datastore, Host, Network, Obj, Template, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { href } from "../store/route.ts";
import { tagPath } from "../store/tags.ts";
import { t } from "../text/en.ts";
import { State, lookOf } from "../ui/state.tsx";
import { type Column, link } from "../ui/table.tsx";
import { bytes, gb, ghz, moment, percent } from "../ui/text.ts";

const name = <T extends Obj>(): Column<T> => ({ id: "name", title: t.list.name, value: (o) => o.name, cell: link });

/** The name of another object, as a link to it. */
export function Ref({ id }: { id: string | null | undefined }) {
  const o = inventory.get(id);
  return o ? <a href={href(o.id)}>{o.name}</a> : <span class="dim">{id ?? ""}</span>;
}

const state = <T extends Obj>(): Column<T> => ({
  id: "state",
  title: t.list.state,
  value: (o) => lookOf(o)?.text ?? "",
  cell: (o) => <State object={o} />,
});
const on = (vm: Vm): boolean => vm.power_state === "powered_on";

export const vmColumns: Column<Vm>[] = [
  {
    ...name<Vm>(),
    cell: (o) => (
      <>
        {link(o)} <span class="dim">{o.id}</span>
      </>
    ),
  },
  { id: "kind", title: t.list.kind, value: (o) => o.guest_type },
  state<Vm>(),
  { id: "host", title: t.list.host, value: (o) => inventory.name(o.host), cell: (o) => <Ref id={o.host} /> },
  { id: "ip", title: t.list.address, value: (o) => o.ip_address ?? "", cell: (o) => <span class="mono">{o.ip_address}</span> },
  { id: "cpu", title: t.list.cpus, number: true, value: (o) => o.num_cpu },
  { id: "mem", title: t.list.memory, number: true, value: (o) => o.memory_mb, cell: (o) => gb(o.memory_mb) },
  {
    id: "used",
    title: t.list.cpuUsed,
    number: true,
    value: (o) => (on(o) ? o.cpu_usage_mhz : -1),
    cell: (o) => (on(o) ? ghz(o.cpu_usage_mhz) : ""),
  },
];

/** What a list has besides where somebody wants it. */
export const moreVmColumns: Column<Vm>[] = [
  { id: "pool", title: t.list.pool, value: (o) => inventory.name(o.pool), cell: (o) => <Ref id={o.pool} /> },
  { id: "folder", title: t.kind.folder ?? "", value: (o) => inventory.name(o.parent), cell: (o) => <Ref id={o.parent} /> },
  {
    id: "memused",
    title: t.list.memoryUsed,
    number: true,
    value: (o) => (on(o) ? o.memory_usage_mb : -1),
    cell: (o) => (on(o) ? gb(o.memory_usage_mb) : ""),
  },
  { id: "template", title: t.kind.template ?? "", value: (o) => inventory.name(o.template), cell: (o) => <Ref id={o.template} /> },
  { id: "tags", title: t.tags.title, value: (o) => (o.tags ?? []).map(tagPath).join(", ") },
  { id: "os", title: t.vm.os, value: (o) => o.guest_os ?? "" },
  { id: "since", title: t.vm.started, value: (o) => o.started_at ?? "", cell: (o) => moment(o.started_at) },
  { id: "notes", title: t.vm.notes, value: (o) => o.notes ?? "" },
];

export const hostColumns: Column<Host>[] = [
  name<Host>(),
  state<Host>(),
  { id: "cluster", title: t.list.cluster, value: (o) => inventory.name(o.parent), cell: (o) => <Ref id={o.parent} /> },
  {
    id: "cpu",
    title: t.list.cpuUsed,
    number: true,
    value: (o) => percent(o.cpu_usage_mhz, o.cpu_total_mhz),
    cell: (o) => `${percent(o.cpu_usage_mhz, o.cpu_total_mhz)} % of ${ghz(o.cpu_total_mhz)}`,
  },
  {
    id: "mem",
    title: t.list.memoryUsed,
    number: true,
    value: (o) => percent(o.memory_usage_mb, o.memory_total_mb),
    cell: (o) => `${percent(o.memory_usage_mb, o.memory_total_mb)} % of ${gb(o.memory_total_mb)}`,
  },
  { id: "address", title: t.list.address, value: (o) => o.address ?? "" },
];

export const clusterColumns: Column<Cluster>[] = [
  name<Cluster>(),
  { id: "drs", title: t.tab.drs ?? "", value: (o) => (o.drs_enabled ? o.drs_automation_level.replaceAll("_", " ") : t.overview.off) },
  { id: "ha", title: t.tab.ha ?? "", value: (o) => (o.ha_enabled ? (o.ha_capacity ?? "") : t.overview.off) },
];

export const datastoreColumns: Column<Datastore>[] = [
  name<Datastore>(),
  { id: "state", title: t.list.shared, value: (o) => (o.shared ? t.pool.yes : t.pool.no) },
  { id: "capacity", title: t.list.capacity, number: true, value: (o) => o.capacity_bytes, cell: (o) => bytes(o.capacity_bytes) },
  {
    id: "free",
    title: t.list.free,
    number: true,
    value: (o) => o.free_bytes,
    cell: (o) => `${bytes(o.free_bytes)} (${percent(o.free_bytes, o.capacity_bytes)} %)`,
  },
];

export const networkColumns: Column<Network>[] = [
  name<Network>(),
  { id: "bridge", title: t.list.bridge, value: (o) => o.bridge },
  { id: "vlan", title: "VLAN", number: true, value: (o) => o.vlan || 0, cell: (o) => o.vlan || "" },
  { id: "cidr", title: t.list.addresses, value: (o) => o.cidr ?? "" },
];

export const templateColumns: Column<Template>[] = [
  name<Template>(),
  { id: "kind", title: t.list.kind, value: (o) => o.guest_type },
  { id: "format", title: t.list.format, value: (o) => o.format },
  { id: "size", title: t.list.size, number: true, value: (o) => o.virtual_bytes, cell: (o) => bytes(o.virtual_bytes) },
  { id: "cpu", title: t.list.cpus, number: true, value: (o) => o.num_cpu },
  { id: "mem", title: t.list.memory, number: true, value: (o) => o.memory_mb, cell: (o) => gb(o.memory_mb) },
];

// biome-ignore lint/suspicious/noExplicitAny: each kind has objects of its own type.
export const columnsOf: Record<string, Column<any>[]> = {
  vm: vmColumns,
  host: hostColumns,
  cluster: clusterColumns,
  datastore: datastoreColumns,
  network: networkColumns,
  template: templateColumns,
};
