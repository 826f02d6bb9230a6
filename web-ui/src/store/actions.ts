// What can be done to machines, and when: one table for buttons, menus and bulk.
import { call } from "../net/api.ts";
import type { PowerState, Vm } from "../net/types.ts";
import { say } from "./toast.ts";

export interface Action {
  id: string;
  title: string;
  from: PowerState[];
  /** Of a container, where that differs; none: containers do not have it. */
  ofContainers?: PowerState[];
  /** A word that the user has to agree to. */
  confirm?: string;
  /** There is more to ask first, in a dialog of its own. */
  opens?: "migrate" | "snapshots" | "clone" | "counters";
  run(vm: Vm): Promise<unknown>;
}

const post = (verb: string, body: object) => (vm: Vm) =>
  call("POST", `/vms/${vm.id}/${verb}`, body);

const asked = () => Promise.resolve();
const anyState: PowerState[] = ["powered_on", "powered_off", "paused", "suspended", "stalled"];

export const actions: Action[] = [
  { id: "start", title: "Power on", from: ["powered_off", "suspended"], run: post("start", {}) },
  { id: "shutdown", title: "Shut down guest", from: ["powered_on"], run: post("stop", { mode: "acpi" }) },
  { id: "restart", title: "Restart guest", from: ["powered_on"], run: post("restart", { mode: "acpi" }) },
  { id: "pause", title: "Pause", from: ["powered_on"], run: post("pause", {}) },
  { id: "resume", title: "Resume", from: ["paused"], run: post("resume", {}) },
  { id: "suspend", title: "Suspend", from: ["powered_on", "paused"], run: post("suspend", {}) },
  {
    id: "migrate",
    title: "Migrate…",
    from: ["powered_on", "paused", "powered_off", "suspended"],
    ofContainers: ["powered_on", "powered_off", "suspended"],
    opens: "migrate",
    run: asked,
  },
  { id: "snapshots", title: "Snapshots…", from: anyState, ofContainers: [], opens: "snapshots", run: asked },
  {
    id: "clone",
    title: "Clone…",
    from: ["powered_on", "powered_off", "paused"],
    ofContainers: ["powered_off"],
    opens: "clone",
    run: asked,
  },
  { id: "counters", title: "Counters…", from: ["powered_on", "paused"], opens: "counters", run: asked },
  {
    id: "kill",
    title: "Power off",
    from: ["powered_on", "paused", "stalled", "unknown"],
    confirm: "Power off at once, without asking the guest?",
    run: post("stop", { mode: "kill" }),
  },
  {
    id: "reset",
    title: "Reset",
    from: ["powered_on"],
    confirm: "Reset at once, without asking the guest?",
    run: post("restart", { mode: "reset" }),
  },
  {
    id: "delete",
    title: "Delete from disk",
    from: ["powered_off", "suspended"],
    confirm: "Delete for ever, disks included?",
    run: (vm) => call("DELETE", `/vms/${vm.id}`),
  },
];

export const fits = (a: Action, vm: Vm): boolean =>
  vm.lifecycle === "ready" &&
  ((vm.guest_type === "container" && a.ofContainers) || a.from).includes(vm.power_state);

/** Each machine fails alone; refusals are said in the server's words. */
export async function perform(a: Action, vms: Vm[]): Promise<void> {
  await Promise.all(
    vms.map((vm) =>
      a.run(vm).catch((e: Error) => say("error", `${a.title} ${vm.name}: ${e.message}`)),
    ),
  );
}
