// Which tabs an object has, by its kind. Every kind has Permissions, Tasks and Events besides.
import type { Cluster, Datastore, Host, Network, Obj, Pool, Template, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";
import { ChartTab } from "./chart-tab.tsx";
import { ClusterConfigure, ClusterSummary } from "./cluster.tsx";
import { Console } from "./console.tsx";
import { Drs } from "./drs.tsx";
import { Ha } from "./ha.tsx";
import { HeatMap } from "./heat.tsx";
import { HostSummary } from "./host.tsx";
import { ObjectList } from "./list.tsx";
import type { Tab } from "./page.tsx";
import { PoolPicture, PoolSummary } from "./pool.tsx";
import { DatastoreSummary, FolderSummary, NetworkSummary, TemplateSummary } from "./storage.tsx";
import { VmConfigure, VmSummary } from "./vm.tsx";

const chart: Tab = { id: "monitor", view: ({ object }) => <ChartTab object={object} /> };
const vms = (of: (vm: Vm, o: Obj) => boolean): Tab => ({
  id: "vms",
  view: ({ object }) => <ObjectList kind="vm" label={t.tab.vms ?? ""} of={(v) => of(v as Vm, object)} />,
});
const onHostOf = (vm: Vm, cluster: Obj): boolean => inventory.get(vm.host)?.parent === cluster.id;
const plain: Tab[] = [{ id: "summary", view: ({ object }) => <FolderSummary object={object} /> }, vms((v, o) => v.parent === o.id)];

export const tabsOf: Record<string, Tab[]> = {
  dc: plain,
  folder: plain,
  cluster: [
    { id: "summary", view: ({ object }) => <ClusterSummary cluster={object as Cluster} /> },
    chart,
    { id: "configure", view: ({ object }) => <ClusterConfigure cluster={object as Cluster} /> },
    { id: "drs", view: ({ object }) => <Drs cluster={object as Cluster} /> },
    { id: "ha", view: ({ object }) => <Ha cluster={object as Cluster} /> },
    { id: "heat", view: ({ object }) => <HeatMap cluster={object as Cluster} /> },
    { id: "hosts", view: ({ object }) => <ObjectList kind="host" label={t.tab.hosts ?? ""} of={(h) => h.parent === object.id} /> },
    vms(onHostOf),
    { id: "pools", view: ({ object }) => <PoolPicture root={object.id} /> },
  ],
  host: [
    { id: "summary", view: ({ object }) => <HostSummary host={object as Host} /> },
    chart,
    vms((v, o) => v.host === o.id),
    {
      id: "datastores",
      view: ({ object }) => (
        <ObjectList kind="datastore" label={t.tab.datastores ?? ""} of={(d) => (d as Datastore).hosts.includes(object.id)} />
      ),
    },
  ],
  vm: [
    { id: "summary", view: ({ object }) => <VmSummary vm={object as Vm} /> },
    chart,
    { id: "configure", view: ({ object }) => <VmConfigure vm={object as Vm} /> },
    { id: "console", view: ({ object }) => <Console vm={object as Vm} /> },
  ],
  pool: [
    { id: "summary", view: ({ object }) => <PoolSummary pool={object as Pool} /> },
    chart,
    { id: "pools", view: ({ object }) => <PoolPicture root={object.id} /> },
    vms((v, o) => v.pool === o.id),
  ],
  datastore: [
    { id: "summary", view: ({ object }) => <DatastoreSummary store={object as Datastore} /> },
    chart,
    vms((v, o) => v.datastores.includes(o.id)),
  ],
  server: [chart],
  network: [
    { id: "summary", view: ({ object }) => <NetworkSummary network={object as Network} /> },
    vms((v, o) => v.networks.includes(o.id)),
  ],
  template: [
    { id: "summary", view: ({ object }) => <TemplateSummary template={object as Template} /> },
    vms((v, o) => v.template === o.id),
  ],
};
