// The shell line of each change: what one would type for it. Pure; a test holds every cmdlet and
// parameter that is written here against docs/cmdlets.md.
/** The name of an object, and whether another of its kind has the same. */
export type Names = (id: string) => { name: string; kind: string; unique: boolean; vm?: string | null } | null;

type Body = Record<string, unknown>;
type Say = (m: string[], body: Body, o: (id: unknown) => string, names: Names) => string | null;

const getters: Record<string, string> = {
  vm: "Get-VM",
  host: "Get-VMHost",
  cluster: "Get-Cluster",
  pool: "Get-ResourcePool",
  datastore: "Get-Datastore",
  template: "Get-Template",
  network: "Get-VirtualPortGroup",
  snap: "Get-Snapshot",
  rule: "Get-DrsRule",
  folder: "Get-Folder",
  dc: "Get-Datacenter",
  tag: "Get-Tag",
  category: "Get-TagCategory",
  alarmdef: "Get-AlarmDefinition",
  user: "Get-VIAccount",
};

export function quote(text: string): string {
  return /^[A-Za-z0-9][\w.-]*$/.test(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

/** snake_case of the API into the words of PowerShell where they are not the same. */
const words: Record<string, string> = {
  num_cpu: "NumCpu",
  memory_mb: "MemoryMB",
  notes: "Notes",
  name: "Name",
  cpu_shares_level: "CpuSharesLevel",
  cpu_shares: "NumCpuShares",
  cpu_reservation_mhz: "CpuReservationMhz",
  cpu_limit_mhz: "CpuLimitMhz",
  mem_shares_level: "MemSharesLevel",
  mem_shares: "NumMemShares",
  mem_reservation_mb: "MemReservationMB",
  mem_limit_mb: "MemLimitMB",
  cpu_expandable: "CpuExpandableReservation",
  mem_expandable: "MemExpandableReservation",
  scalable_shares: "ScalableShares",
  drs_enabled: "DrsEnabled",
  drs_automation_level: "DrsAutomationLevel",
  drs_threshold: "DrsMigrationThreshold",
  drs_automation: "DrsAutomationLevel",
  dpm_automation: "PowerManagement",
  ha_enabled: "HAEnabled",
  ha_admission: "HAAdmissionControlPolicy",
  ha_failover_level: "HAFailoverLevel",
  ha_restart_priority: "HARestartPriority",
  ha_isolation_response: "HAIsolationResponse",
  ha_proactive: "HAProactive",
  ha_proactive_moderate: "HAProactiveModerate",
  ha_proactive_severe: "HAProactiveSevere",
  memory_overcommit_permille: "MemoryOvercommitPermille",
  vcpus_per_core: "VCpusPerCore",
  swap_limit_mb: "SwapMB",
  pids_limit: "ProcessLimit",
  io_weight: "IoWeight",
  enabled: "Enabled",
  disk_mb: "DiskMB",
  ip_address: "IPAddress",
  host_name: "HostName",
  full: "FullClone",
  power_on: "PowerOn",
  custspec: "OSCustomizationSpec",
  datastore: "Datastore",
  pool: "ResourcePool",
  cluster: "ResourcePool",
  host: "VMHost",
  network: "NetworkName",
};
const values: Record<string, string> = {
  leave_on: "DoNothing",
  power_off: "PowerOff",
  hosts: "FailoverHosts",
  inherit: "AsSpecifiedByCluster",
};
const switches = ["full", "power_on"];

const pascal = (text: string): string =>
  text
    .split("_")
    .map((w) => w.charAt(0).toUpperCase() + w.slice(1))
    .join("");

function value(key: string, v: unknown, o: (id: unknown) => string): string {
  if (typeof v === "boolean") return v ? "$true" : "$false";
  if (typeof v === "number") return String(v);
  if (Array.isArray(v)) return v.length ? v.map((x) => o(x)).join(",") : "@()";
  const text = String(v);
  if (["datastore", "pool", "cluster", "host", "network", "custspec"].includes(key)) return o(text);
  if (key === "ha_restart_priority" && text === "cluster") return "ClusterRestartPriority";
  if (/^(ha_|drs_a)/.test(key) && text === "cluster") return "AsSpecifiedByCluster";
  if (/(_level|_priority|_response|_admission|_automation|drs_automation)$/.test(key)) return values[text] ?? pascal(text);
  return quote(text);
}

function parameters(body: Body, o: (id: unknown) => string, left: string[] = []): string {
  return Object.entries(body)
    .filter(([k, v]) => !left.includes(k) && v !== undefined && !(switches.includes(k) && v === false))
    .map(([k, v]) => (switches.includes(k) ? ` -${words[k]}` : ` -${words[k] ?? pascal(k)} ${value(k, v, o)}`))
    .join("");
}

const resources = ["shares", "reservation", "limit"];
const isResource = (k: string): boolean => resources.some((w) => k.includes(w));

function setVm(m: string[], body: Body, o: (id: unknown) => string): string {
  const rest = Object.fromEntries(Object.entries(body).filter(([k]) => !isResource(k) && k !== "pool" && k !== "parent"));
  const shares = Object.fromEntries(Object.entries(body).filter(([k]) => isResource(k)));
  const lines: string[] = [];
  if (Object.keys(rest).length) lines.push(`Set-VM ${o(m[1])}${parameters(rest, o)}`);
  if (Object.keys(shares).length)
    lines.push(`Get-VMResourceConfiguration ${o(m[1])} | Set-VMResourceConfiguration${parameters(shares, o)}`);
  if (body.pool) lines.push(`Move-VM ${o(m[1])} -Destination ${o(body.pool)}`);
  if (body.parent) lines.push(`Move-VM ${o(m[1])} -InventoryLocation ${o(body.parent)}`);
  return lines.join("; ");
}

function newVm(body: Body, o: (id: unknown) => string, from: string): string {
  const { name, template, cluster, ...rest } = body;
  const place = cluster && !rest.pool ? { ...rest, pool: cluster } : rest;
  return `New-VM ${quote(String(name))}${from || ` -Template ${o(template)}`}${parameters(place, o)}`;
}

function pending(id: string | undefined, o: (id: unknown) => string, names: Names): string {
  const vm = names(id ?? "")?.vm;
  return `Get-DrsRecommendation -State Pending${vm ? ` -VM ${o(vm)}` : ""}`;
}

function until(ms: unknown): string {
  return ms ? ` -Until ${new Date(Number(ms)).toISOString()}` : "";
}

function untag(tag: string, b: Body, o: (id: unknown) => string, names: Names): string {
  const which = names(tag)?.unique ? `Tag -eq ${o(tag)}` : `{ $_.Tag.Id -eq '${tag}' }`;
  return `Get-TagAssignment ${value("", b.objects, o)} | Where-Object ${which} | Remove-TagAssignment`;
}

/** What is typed where the shell asks: it is never in a line. */
const SECRET = "(Read-Host password -AsSecureString)";

/** A value of JSON as the shell's language has it. */
export function literal(v: unknown): string {
  if (v === null || v === undefined) return "$null";
  if (typeof v === "boolean") return v ? "$true" : "$false";
  if (typeof v === "number") return String(v);
  if (Array.isArray(v)) return `@(${v.map(literal).join(", ")})`;
  if (typeof v === "object")
    return `@{${Object.entries(v)
      .map(([k, x]) => `${k} = ${literal(x)}`)
      .join("; ")}}`;
  return `'${String(v).replaceAll("'", "''")}'`;
}

const kinds: Record<string, string> = { vm: "VM" };

/** Of accounts, tags, categories and definitions: parameters that have the names of their fields. */
function described(b: Body, o: (id: unknown) => string): string {
  const { name, role, password, category, cardinality, description, target, entity, match, conditions, actions, enabled } = b;
  const has = (v: unknown): boolean => v !== undefined && v !== null && v !== "";
  const say = (word: string, v: unknown, text: string): string => (has(v) ? ` -${word} ${text}` : "");
  return [
    say("Name", name, quote(String(name))),
    say("Target", target, kinds[String(target)] ?? pascal(String(target))),
    say("Entity", entity, o(entity)),
    say("Category", category, o(category)),
    say("Role", role, pascal(String(role))),
    say("Cardinality", cardinality, pascal(String(cardinality))),
    description === undefined ? "" : ` -Description ${literal(description ?? "")}`,
    say("AlarmTrigger", conditions, literal(conditions)),
    say("AlarmAction", actions, literal(actions)),
    say("Match", match, pascal(String(match))),
    say("Enabled", enabled, literal(enabled)),
    say("Password", password, SECRET),
  ].join("");
}

const made = (cmdlet: string, b: Body, o: (id: unknown) => string): string => {
  const { name, ...rest } = b;
  return `${cmdlet} ${quote(String(name))}${described(rest, o)}`;
};

const ID = "([a-z]+-\\d+)";
const table: [method: string, path: string, say: Say][] = [
  ["POST", `/vms/${ID}/start`, (m, b, o) => `Start-VM ${o(m[1])}${b.host ? ` -VMHost ${o(b.host)}` : ""}`],
  ["POST", `/vms/${ID}/stop`, (m, b, o) => (b.mode === "kill" ? `Stop-VM ${o(m[1])} -Kill` : `Stop-VMGuest ${o(m[1])}`)],
  ["POST", `/vms/${ID}/restart`, (m, b, o) => (b.mode === "reset" ? `Restart-VM ${o(m[1])}` : `Restart-VMGuest ${o(m[1])}`)],
  ["POST", `/vms/${ID}/suspend`, (m, _, o) => `Suspend-VM ${o(m[1])}`],
  ["DELETE", `/vms/${ID}`, (m, _, o) => `Remove-VM ${o(m[1])} -DeletePermanently`],
  ["PATCH", `/vms/${ID}`, setVm],
  [
    "POST",
    `/vms/${ID}/migrate`,
    (m, b, o) => `Move-VM ${o(m[1])}${b.host ? ` -Destination ${o(b.host)}` : ""}${b.datastore ? ` -Datastore ${o(b.datastore)}` : ""}`,
  ],
  [
    "POST",
    `/vms/${ID}/snapshots`,
    (m, b, o) => `New-Snapshot ${o(m[1])} ${quote(String(b.name))}${b.memory ? " -Memory" : ""}${b.quiesce ? " -Quiesce" : ""}`,
  ],
  ["POST", `/vms/${ID}/consolidate`, (m, _, o) => `Optimize-VMDisk ${o(m[1])}`],
  ["POST", `/vms/${ID}/clone`, (m, b, o) => newVm(b, o, ` -VM ${o(m[1])}`)],
  ["POST", "/vms", (_, b, o) => newVm(b, o, "")],
  ["POST", `/snapshots/${ID}/revert`, (m) => `Get-Snapshot -Id ${m[1]} | ForEach-Object { Set-VM $_.VM -Snapshot $_ }`],
  ["DELETE", `/snapshots/${ID}`, (m) => `Get-Snapshot -Id ${m[1]} | Remove-Snapshot`],
  ["POST", `/hosts/${ID}/maintenance`, (m, b, o) => `Set-VMHost ${o(m[1])} -State Maintenance${b.evacuate ? " -Evacuate" : ""}`],
  ["DELETE", `/hosts/${ID}/maintenance`, (m, _, o) => `Set-VMHost ${o(m[1])} -State Connected`],
  ["POST", `/hosts/${ID}/standby`, (m, b, o) => `Suspend-VMHost ${o(m[1])}${b.evacuate ? " -Evacuate" : ""}`],
  ["DELETE", `/hosts/${ID}/standby`, (m, _, o) => `Start-VMHost ${o(m[1])}`],
  ["POST", `/hosts/${ID}/confirm-dead`, (m, _, o) => `Confirm-VMHostPowerOff ${o(m[1])}`],
  ["DELETE", `/hosts/${ID}`, (m, _, o) => `Remove-VMHost ${o(m[1])}`],
  ["POST", "/enroll-tokens", (_, b, o) => `New-VMHostToken ${quote(String(b.name))} -Cluster ${o(b.cluster)}`],
  ["PATCH", `/clusters/${ID}`, (m, b, o) => `Set-Cluster ${o(m[1])}${parameters(b, o)}`],
  [
    "POST",
    `/clusters/${ID}/drs`,
    (m, b, o) => (b.simulate ? `Invoke-DrsSimulation ${o(m[1])} -Explain` : `Get-DrsRecommendation ${o(m[1])} -Refresh`),
  ],
  ["POST", `/recommendations/${ID}/apply`, (m, _, o, names) => `${pending(m[1], o, names)} | Invoke-DrsRecommendation`],
  ["POST", `/recommendations/${ID}/dismiss`, (m, _, o, names) => `${pending(m[1], o, names)} | Invoke-DrsRecommendation -Dismiss`],
  ["POST", "/pools", (_, { name, parent, ...b }, o) => `New-ResourcePool ${quote(String(name))} ${o(parent)}${parameters(b, o)}`],
  [
    "PATCH",
    `/pools/${ID}`,
    (m, { parent, ...b }, o) =>
      [
        Object.keys(b).length ? `Set-ResourcePool ${o(m[1])}${parameters(b, o)}` : "",
        parent ? `Move-ResourcePool ${o(m[1])} -Destination ${o(parent)}` : "",
      ]
        .filter(Boolean)
        .join("; "),
  ],
  ["DELETE", `/pools/${ID}`, (m, _, o) => `Remove-ResourcePool ${o(m[1])}`],
  [
    "POST",
    "/rules",
    (_, b, o) =>
      `New-DrsRule ${quote(String(b.name))} -Cluster ${o(b.cluster)} -Type ${pascal(String(b.type))} -VM ${(b.vms as string[]).map(o).join(",")}${
        (b.hosts as string[] | undefined)?.length ? ` -VMHost ${(b.hosts as string[]).map(o).join(",")}` : ""
      }`,
  ],
  ["PATCH", `/rules/${ID}`, (m, b, o) => `Set-DrsRule ${o(m[1])}${parameters(b, o)}`],
  ["DELETE", `/rules/${ID}`, (m, _, o) => `Remove-DrsRule ${o(m[1])}`],
  ["PATCH", `/datastores/${ID}`, (m, b, o) => `Set-Datastore ${o(m[1])}${parameters(b, o)}`],
  ["DELETE", `/datastores/${ID}`, (m, _, o) => `Remove-Datastore ${o(m[1])}`],
  ["PATCH", `/templates/${ID}`, (m, b, o) => `Set-Template ${o(m[1])}${parameters(b, o)}`],
  ["DELETE", `/templates/${ID}`, (m, _, o) => `Remove-Template ${o(m[1])}`],
  ["DELETE", `/networks/${ID}`, (m, _, o) => `Remove-VirtualPortGroup ${o(m[1])}`],
  ["POST", `/tasks/${ID}/cancel`, (m) => `Stop-Task ${m[1]}`],
  ["POST", `/alarms/${ID}/acknowledge`, (m) => `Get-Alarm -Id ${m[1]} | Confirm-Alarm`],
  ["POST", `/alarms/${ID}/reset`, (m) => `Get-Alarm -Id ${m[1]} | Reset-Alarm`],
  ["POST", `/alarms/${ID}/silence`, (m, b) => `Get-Alarm -Id ${m[1]} | Suspend-Alarm${until(b.until)}`],
  ["POST", "/alarmdefs", (_, b, o) => made("New-AlarmDefinition", b, o)],
  ["PATCH", `/alarmdefs/${ID}`, (m, b, o) => `Get-AlarmDefinition -Id ${m[1]} | Set-AlarmDefinition${described(b, o)}`],
  ["DELETE", `/alarmdefs/${ID}`, (m) => `Get-AlarmDefinition -Id ${m[1]} | Remove-AlarmDefinition`],
  ["POST", "/users", (_, b, o) => made("New-VIAccount", b, o)],
  ["PATCH", `/users/${ID}`, (m, b, o) => `Set-VIAccount ${o(m[1])}${described(b, o)}`],
  ["DELETE", `/users/${ID}`, (m, _, o) => `Remove-VIAccount ${o(m[1])}`],
  [
    "POST",
    "/tokens",
    (_, { name, days, role }) =>
      `New-ApiToken ${quote(String(name))}${days ? ` -Days ${days}` : ""}${role ? ` -Role ${pascal(String(role))}` : ""}`,
  ],
  ["DELETE", "/tokens/([\\w-]+)", (m) => `Remove-ApiToken ${m[1]}`],
  ["POST", "/categories", (_, b, o) => made("New-TagCategory", b, o)],
  ["PATCH", `/categories/${ID}`, (m, b, o) => `Set-TagCategory ${o(m[1])}${described(b, o)}`],
  ["DELETE", `/categories/${ID}`, (m, _, o) => `Remove-TagCategory ${o(m[1])}`],
  ["POST", "/tags", (_, b, o) => made("New-Tag", b, o)],
  ["PATCH", `/tags/${ID}`, (m, b, o) => `Set-Tag ${o(m[1])}${described(b, o)}`],
  ["DELETE", `/tags/${ID}`, (m, _, o) => `Remove-Tag ${o(m[1])}`],
  ["POST", `/tags/${ID}/assign`, (m, b, o) => `New-TagAssignment ${o(m[1])} ${value("", b.objects, o)}`],
  ["POST", `/tags/${ID}/unassign`, (m, b, o, names) => untag(m[1] ?? "", b, o, names)],
  ["POST", "/folders", (_, b, o) => `New-Folder ${quote(String(b.name))} ${o(b.parent)}`],
];

/** Null: the shell has no cmdlet for it. */
export function echo(method: string, path: string, body: unknown, names: Names): string | null {
  const o = (id: unknown): string => {
    const found = names(String(id));
    if (!found) return String(id);
    return found.unique ? quote(found.name) : `(${getters[found.kind] ?? "Get-Inventory"} -Id ${id})`;
  };
  for (const [verb, pattern, say] of table) {
    const m = verb === method ? new RegExp(`^${pattern}$`).exec(path.split("?")[0] ?? "") : null;
    if (m) return say(m, (body ?? {}) as Body, o, names);
  }
  return null;
}
