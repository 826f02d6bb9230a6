// What can be done to objects, and when: one table for context menus, toolbars, palette and bulk.
import { call } from "../net/api.ts";
import type { Host, Obj, Pool, PowerState, Vm } from "../net/types.ts";
import { t } from "../text/en.ts";
import type { DialogName } from "./dialogs.ts";
import { type Role, may } from "./session.ts";
import { tagBook } from "./tags.ts";
import { say } from "./toast.ts";

export interface Request {
  method: string;
  path: string;
  body?: object;
}

export interface Action {
  id: string;
  kind: string;
  title: string;
  role: Role;
  fits(o: Obj): boolean;
  /** A word that the user has to agree to. */
  confirm?: string;
  danger?: boolean;
  /** There is more to ask first, in a dialog of its own. */
  opens?: DialogName;
  /** That dialog takes several objects at once. */
  bulk?: boolean;
  /** It is the object's tab of this name. */
  goes?: string;
  /** It is a file, at a path of the API. */
  saves?(o: Obj): { path: string; file: string };
  /** A line is drawn above it in menus. */
  apart?: boolean;
  request?(o: Obj): Request;
}

const anyState: PowerState[] = ["powered_on", "powered_off", "paused", "suspended", "stalled"];

interface GuestAction extends Partial<Action> {
  id: string;
  from: PowerState[];
  /** Of a container, where that differs; none: containers do not have it. */
  ofContainers?: PowerState[];
}

const post = (verb: string, body: object) => (o: Obj) => ({ method: "POST", path: `/vms/${o.id}/${verb}`, body });

const guests: GuestAction[] = [
  { id: "start", from: ["powered_off", "suspended"], request: post("start", {}) },
  { id: "shutdown", from: ["powered_on"], request: post("stop", { mode: "acpi" }) },
  { id: "restart", from: ["powered_on"], request: post("restart", { mode: "acpi" }) },
  { id: "pause", from: ["powered_on"], request: post("pause", {}) },
  { id: "resume", from: ["paused"], request: post("resume", {}) },
  { id: "suspend", from: ["powered_on", "paused"], request: post("suspend", {}) },
  {
    id: "kill",
    from: ["powered_on", "paused", "stalled", "unknown"],
    confirm: t.confirm.kill,
    danger: true,
    request: post("stop", { mode: "kill" }),
  },
  { id: "reset", from: ["powered_on"], confirm: t.confirm.reset, danger: true, request: post("restart", { mode: "reset" }) },
  {
    id: "migrate",
    apart: true,
    opens: "migrate",
    bulk: true,
    from: ["powered_on", "paused", "powered_off", "suspended"],
    ofContainers: ["powered_on", "powered_off", "suspended"],
  },
  { id: "snapshots", opens: "snapshots", from: anyState, ofContainers: [] },
  { id: "clone", opens: "clone", from: ["powered_on", "powered_off", "paused"], ofContainers: ["powered_off"] },
  { id: "counters", opens: "counters", from: ["powered_on", "paused"] },
  { id: "console", goes: "console", from: ["powered_on", "paused", "stalled"], ofContainers: ["powered_on"] },
  { id: "edit", apart: true, opens: "edit-vm", from: anyState },
  {
    id: "delete",
    from: ["powered_off", "suspended"],
    confirm: t.confirm.delete,
    danger: true,
    request: (o) => ({ method: "DELETE", path: `/vms/${o.id}` }),
  },
];

const guestActions: Action[] = guests.map(({ from, ofContainers, ...a }) => ({
  ...a,
  kind: "vm",
  role: "operator",
  title: t.action[a.id as keyof typeof t.action],
  fits: (o) => {
    const vm = o as Vm;
    return vm.lifecycle === "ready" && ((vm.guest_type === "container" && ofContainers) || from).includes(vm.power_state);
  },
}));

const always = (): boolean => true;
const remove = (kind: string, plural: string, role: Role = "administrator"): Action => ({
  id: "remove",
  kind,
  role,
  title: t.action.remove,
  apart: true,
  danger: true,
  confirm: t.confirm.remove,
  fits: (o) => !(o as Partial<Pool>).is_root,
  request: (o) => ({ method: "DELETE", path: `/${plural}/${o.id}` }),
});
const rename = (kind: string, role: Role = "administrator"): Action => ({
  id: "rename",
  kind,
  role,
  title: t.action.rename,
  opens: "rename",
  fits: (o) => !(o as Partial<Pool>).is_root,
});

const WEEK_MS = 7 * 86_400_000;

function weekOf(o: Obj): { path: string; file: string } {
  const end = Date.now();
  const counter = o.kind === "pool" ? "cpu.usagemhz.average" : "cpu.usage.average";
  return {
    path: `/stats?objects=${o.id}&counters=${counter}&start=${end - WEEK_MS}&end=${end}&format=csv`,
    file: `${o.name}-cpu-week.csv`,
  };
}

const weeks: Action[] = ["vm", "host", "cluster", "pool"].map((kind) => ({
  id: "week",
  kind,
  role: "read_only",
  title: t.action.week,
  apart: true,
  saves: weekOf,
  fits: always,
}));

/** Nothing of the kind is offered before somebody has made tags. */
const tagging: Action[] = ["dc", "folder", "cluster", "host", "pool", "vm", "template", "datastore", "network"].map((kind) => ({
  id: "tags",
  kind,
  role: "operator",
  title: t.action.tags,
  opens: "tags",
  bulk: true,
  fits: (o) => o.tags !== undefined && tagBook.value.length > 0,
}));

const rest: Action[] = [
  { id: "new-folder", kind: "dc", role: "operator", title: t.action.newFolder, opens: "new-folder", fits: always },
  rename("dc"),
  remove("dc", "datacenters"),
  { id: "new-folder", kind: "folder", role: "operator", title: t.action.newFolder, opens: "new-folder", fits: always },
  rename("folder", "operator"),
  remove("folder", "folders", "operator"),
  { id: "new-vm", kind: "cluster", role: "operator", title: t.action.newVm, opens: "new-vm", fits: always },
  { id: "new-pool", kind: "cluster", role: "administrator", title: t.action.newPool, opens: "new-pool", fits: always },
  { id: "add-host", kind: "cluster", role: "administrator", title: t.action.addHost, opens: "add-host", fits: always },
  { id: "new-rule", kind: "cluster", role: "administrator", title: t.action.newRule, opens: "new-rule", fits: always },
  {
    id: "edit-cluster",
    kind: "cluster",
    role: "administrator",
    title: t.action.settings,
    opens: "edit-cluster",
    apart: true,
    fits: always,
  },
  rename("cluster"),
  remove("cluster", "clusters"),
  {
    id: "maintenance",
    kind: "host",
    role: "administrator",
    title: t.action.maintenance,
    opens: "maintenance",
    fits: (o) => (o as Host).maintenance === "none" && (o as Host).standby === "none",
  },
  {
    id: "leave-maintenance",
    kind: "host",
    role: "administrator",
    title: t.action.leaveMaintenance,
    fits: (o) => (o as Host).maintenance === "in",
    request: (o) => ({ method: "DELETE", path: `/hosts/${o.id}/maintenance` }),
  },
  {
    id: "wake",
    kind: "host",
    role: "administrator",
    title: t.action.wake,
    fits: (o) => (o as Host).standby === "in",
    request: (o) => ({ method: "DELETE", path: `/hosts/${o.id}/standby` }),
  },
  {
    id: "confirm-dead",
    kind: "host",
    role: "administrator",
    title: t.action.confirmDead,
    danger: true,
    confirm: t.confirm.dead,
    fits: (o) => (o as Host).connection_state !== "connected",
    request: (o) => ({ method: "POST", path: `/hosts/${o.id}/confirm-dead`, body: {} }),
  },
  { ...remove("host", "hosts"), fits: (o) => (o as Host).connection_state === "disconnected" },
  { id: "new-pool", kind: "pool", role: "administrator", title: t.action.newPool, opens: "new-pool", fits: always },
  { id: "edit-pool", kind: "pool", role: "administrator", title: t.action.edit, opens: "edit-pool", fits: (o) => !(o as Pool).is_root },
  remove("pool", "pools"),
  {
    id: "deploy",
    kind: "template",
    role: "operator",
    title: t.action.deploy,
    opens: "new-vm",
    fits: (o) => (o as Vm).lifecycle === "ready",
  },
  { id: "edit-template", kind: "template", role: "operator", title: t.action.edit, opens: "edit-template", fits: always },
  remove("template", "templates", "operator"),
  {
    id: "scan",
    kind: "datastore",
    role: "operator",
    title: t.action.scan,
    fits: always,
    request: (o) => ({ method: "POST", path: `/datastores/${o.id}/scan`, body: {} }),
  },
  rename("datastore"),
  remove("datastore", "datastores"),
  rename("network"),
  remove("network", "networks"),
  {
    id: "toggle-rule",
    kind: "rule",
    role: "administrator",
    title: t.action.toggleRule,
    fits: always,
    request: (o) => ({ method: "PATCH", path: `/rules/${o.id}`, body: { enabled: !(o as unknown as { enabled: boolean }).enabled } }),
  },
  remove("rule", "rules"),
  { ...remove("user", "users"), confirm: t.confirm.user },
  { ...remove("alarmdef", "alarmdefs"), confirm: t.confirm.alarm },
  { ...remove("category", "categories"), confirm: t.confirm.category },
  { ...remove("tag", "tags"), confirm: t.confirm.tag },
];

export const actions: Action[] = [...guestActions, ...rest, ...tagging, ...weeks];

/** What this user may do to this object as it is now. */
export const actionsFor = (o: Obj): Action[] => actions.filter((a) => a.kind === o.kind && may(a.role) && a.fits(o));

/** The action of that name as it is for this object: what has the same name is another request for another kind. */
export const actionOf = (a: Action, o: Obj): Action | undefined =>
  a.kind === o.kind ? a : actions.find((x) => x.kind === o.kind && x.id === a.id);

/** Each object fails alone; refusals are said in the server's words. */
export async function perform(a: Action, objects: Obj[]): Promise<void> {
  await Promise.all(
    objects.map((o) => {
      const r = actionOf(a, o)?.request?.(o);
      return r && call(r.method, r.path, r.body).catch((e: Error) => say("error", `${a.title} ${o.name}: ${e.message}`));
    }),
  );
}
