// The settings of each kind, as tables of fields.
import type { Obj, Pool, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import type { Preset } from "../store/dialogs.ts";
import { go } from "../store/route.ts";
import { t } from "../text/en.ts";
import { type Field, Form, type Values } from "./form.tsx";

interface DialogProps {
  objects: Obj[];
  preset?: Preset | undefined;
  onClose: () => void;
}

const plurals: Record<string, string> = {
  dc: "datacenters",
  folder: "folders",
  cluster: "clusters",
  host: "hosts",
  pool: "pools",
  vm: "vms",
  template: "templates",
  datastore: "datastores",
  network: "networks",
};

const levels: [string, string][] = [
  ["low", t.choice.low],
  ["normal", t.choice.normal],
  ["high", t.choice.high],
  ["custom", t.choice.custom],
];
const nameField: Field = { name: "name", label: t.list.name, type: "text", required: true };

function resourceFields(preset: string): Field[] {
  return [
    { name: "cpu_shares_level", label: `${t.pool.cpu}: ${t.pool.shares}`, type: "choice", options: levels, empty: preset },
    {
      name: "cpu_shares",
      label: `${t.pool.cpu}: ${t.pool.shares} (number)`,
      type: "number",
      min: 1,
      max: 1000000,
      when: (v) => v.cpu_shares_level === "custom",
    },
    { name: "cpu_reservation_mhz", label: `${t.pool.cpu}: ${t.pool.reservation} (MHz)`, type: "number", min: 0 },
    { name: "cpu_limit_mhz", label: `${t.pool.cpu}: ${t.pool.limit} (MHz)`, type: "number", min: 0, help: t.form.unlimited },
    { name: "mem_shares_level", label: `${t.pool.memory}: ${t.pool.shares}`, type: "choice", options: levels, empty: preset },
    {
      name: "mem_shares",
      label: `${t.pool.memory}: ${t.pool.shares} (number)`,
      type: "number",
      min: 1,
      max: 1000000,
      when: (v) => v.mem_shares_level === "custom",
    },
    { name: "mem_reservation_mb", label: `${t.pool.memory}: ${t.pool.reservation} (MB)`, type: "number", min: 0 },
    { name: "mem_limit_mb", label: `${t.pool.memory}: ${t.pool.limit} (MB)`, type: "number", min: 0, help: t.form.unlimited },
  ];
}

const poolFields = (): Field[] => [
  nameField,
  ...resourceFields("normal"),
  { name: "cpu_expandable", label: `${t.pool.cpu}: ${t.pool.expandable}`, type: "check" },
  { name: "mem_expandable", label: `${t.pool.memory}: ${t.pool.expandable}`, type: "check" },
  { name: "scalable_shares", label: t.pool.scalable, type: "check" },
];

/** The pool that a guest is in, or others of its cluster. */
function poolsOf(vm: Vm): [string, string][] {
  const clusterOf = (id: string | null): string | null => {
    const o = inventory.get(id);
    return !o || o.kind === "cluster" ? (o?.id ?? null) : clusterOf(o.parent);
  };
  const cluster = clusterOf(vm.pool ?? vm.host);
  return inventory
    .all<Pool>("pool")
    .filter((p) => clusterOf(p.id) === cluster)
    .map((p) => [p.id, p.name]);
}

const likeCluster: [string, string] = ["cluster", t.choice.asCluster];

function vmFields(vm: Vm): Field[] {
  return [
    nameField,
    { name: "num_cpu", label: t.list.cpus, type: "number", min: 1, max: 128, required: true },
    { name: "memory_mb", label: `${t.list.memory} (MB)`, type: "number", min: 16, required: true },
    { name: "notes", label: t.vm.notes, type: "area" },
    { name: "pool", label: t.list.pool, type: "choice", options: poolsOf(vm) },
    ...resourceFields("normal"),
    {
      name: "drs_automation",
      label: t.vm.automation,
      type: "choice",
      empty: "cluster",
      options: [
        likeCluster,
        ["manual", t.choice.manual],
        ["partially_automated", t.choice.partially],
        ["fully_automated", t.choice.fully],
        ["disabled", t.choice.disabled],
      ],
    },
    {
      name: "ha_restart_priority",
      label: t.vm.priority,
      type: "choice",
      empty: "cluster",
      options: [
        likeCluster,
        ["disabled", t.choice.disabled],
        ["lowest", t.choice.lowest],
        ["low", t.choice.low],
        ["medium", t.choice.medium],
        ["high", t.choice.high],
        ["highest", t.choice.highest],
      ],
    },
    {
      name: "ha_isolation_response",
      label: t.vm.response,
      type: "choice",
      empty: "cluster",
      options: [likeCluster, ["leave_on", t.choice.leaveOn], ["shutdown", t.choice.shutDown], ["power_off", t.choice.powerOff]],
    },
  ];
}

const clusterFields: Field[] = [
  nameField,
  { name: "drs_enabled", label: t.tab.drs ?? "", type: "check" },
  {
    name: "drs_automation_level",
    label: t.cluster.level,
    type: "choice",
    options: [
      ["manual", t.choice.manual],
      ["partially_automated", t.choice.partially],
      ["fully_automated", t.choice.fully],
    ],
  },
  { name: "drs_threshold", label: `${t.cluster.threshold} (1–5)`, type: "number", min: 1, max: 5, required: true },
  {
    name: "dpm_automation",
    label: t.cluster.power,
    type: "choice",
    options: [
      ["off", t.choice.off],
      ["manual", t.choice.manual],
      ["automatic", t.choice.automatic],
    ],
  },
  { name: "ha_enabled", label: t.overview.ha, type: "check" },
  {
    name: "ha_admission",
    label: t.cluster.admission,
    type: "choice",
    options: [
      ["percentage", t.choice.percentage],
      ["slots", t.choice.slots],
      ["hosts", t.choice.hosts],
      ["off", t.choice.off],
    ],
  },
  { name: "ha_failover_level", label: t.cluster.failures, type: "number", min: 0, max: 32, required: true },
  { name: "memory_overcommit_permille", label: t.cluster.overcommit, type: "number", min: 1, required: true },
];

const templateFields: Field[] = [
  nameField,
  { name: "num_cpu", label: t.list.cpus, type: "number", min: 1, max: 128 },
  { name: "memory_mb", label: `${t.list.memory} (MB)`, type: "number", min: 16 },
  { name: "version", label: t.list.version, type: "text" },
  { name: "notes", label: t.vm.notes, type: "area" },
];

function Edit({ objects, preset, onClose, fields, title }: DialogProps & { fields: (o: Obj) => Field[]; title: string }) {
  const o = objects[0];
  if (!o) return null;
  const request = (body: Values) => ({ method: "PATCH", path: `/${plurals[o.kind]}/${o.id}`, body });
  return (
    <Form
      title={`${title.replace("…", "")}: ${o.name}`}
      fields={fields(o)}
      object={o}
      preset={preset ?? {}}
      submit={t.form.save}
      request={request}
      onClose={onClose}
    />
  );
}

export const EditVm = (p: DialogProps) => <Edit {...p} title={t.action.edit} fields={(o) => vmFields(o as Vm)} />;
export const EditPool = (p: DialogProps) => <Edit {...p} title={t.action.edit} fields={poolFields} />;
export const EditCluster = (p: DialogProps) => <Edit {...p} title={t.action.settings} fields={() => clusterFields} />;
export const EditTemplate = (p: DialogProps) => <Edit {...p} title={t.action.edit} fields={() => templateFields} />;
export const Rename = (p: DialogProps) => <Edit {...p} title={t.action.rename} fields={() => [nameField]} />;

export function NewPool({ objects, onClose }: DialogProps) {
  const parent = objects[0];
  if (!parent) return null;
  const initial = { cpu_shares_level: "normal", mem_shares_level: "normal", cpu_expandable: true, mem_expandable: true };
  return (
    <Form
      title={`${t.action.newPool.replace("…", "")}: ${parent.name}`}
      fields={poolFields()}
      object={null}
      initial={initial}
      submit={t.form.create}
      request={(v) => ({ method: "POST", path: "/pools", body: { ...v, parent: parent.id } })}
      onClose={onClose}
      onDone={(a) => go((a as Partial<Pool> & { object?: string }).id ?? (a as { object: string }).object)}
    />
  );
}

export function NewFolder({ objects, onClose }: DialogProps) {
  const parent = objects[0];
  if (!parent) return null;
  return (
    <Form
      title={t.action.newFolder.replace("…", "")}
      fields={[nameField]}
      object={null}
      submit={t.form.create}
      request={(v) => ({ method: "POST", path: "/folders", body: { ...v, parent: parent.id } })}
      onClose={onClose}
    />
  );
}
