import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Names, echo, literal } from "../src/store/echo.ts";

const known: Record<string, { name: string; kind: string; vm?: string }> = {
  "vm-1": { name: "web-01", kind: "vm" },
  "vm-2": { name: "it's here; $(x)", kind: "vm" },
  "vm-3": { name: "twin", kind: "vm" },
  "vm-4": { name: "twin", kind: "vm" },
  "host-2": { name: "h2", kind: "host" },
  "pool-1": { name: "prod", kind: "pool" },
  "folder-1": { name: "shop", kind: "folder" },
  "cluster-1": { name: "c1", kind: "cluster" },
  "template-1": { name: "tiny", kind: "template" },
  "datastore-1": { name: "ssd", kind: "datastore" },
  "rule-1": { name: "apart", kind: "rule" },
  "tag-1": { name: "prod", kind: "tag" },
  "tag-2": { name: "test", kind: "tag" },
  "tag-3": { name: "test", kind: "tag" },
  "category-1": { name: "Environment", kind: "category" },
  "user-2": { name: "ann", kind: "user" },
  "rec-1": { name: "Move web-01", kind: "rec", vm: "vm-1" },
};
const names: Names = (id) => {
  const o = known[id];
  return o ? { ...o, unique: Object.values(known).filter((x) => x.kind === o.kind && x.name === o.name).length === 1 } : null;
};

const cases: [method: string, path: string, body: object | undefined, line: string | null][] = [
  ["POST", "/vms/vm-1/start", {}, "Start-VM web-01"],
  ["POST", "/vms/vm-1/stop", { mode: "acpi" }, "Stop-VMGuest web-01"],
  ["POST", "/vms/vm-1/stop", { mode: "kill" }, "Stop-VM web-01 -Kill"],
  ["POST", "/vms/vm-1/pause", {}, null],
  ["POST", "/vms/vm-2/start", {}, "Start-VM 'it''s here; $(x)'"],
  ["POST", "/vms/vm-3/start", {}, "Start-VM (Get-VM -Id vm-3)"],
  ["POST", "/vms/vm-1/migrate", { host: "host-2", datastore: "datastore-1" }, "Move-VM web-01 -Destination h2 -Datastore ssd"],
  ["POST", "/vms/vm-1/snapshots", { name: "a b", memory: true }, "New-Snapshot web-01 'a b' -Memory"],
  ["POST", "/snapshots/snap-7/revert", {}, "Get-Snapshot -Id snap-7 | ForEach-Object { Set-VM $_.VM -Snapshot $_ }"],
  [
    "PATCH",
    "/vms/vm-1",
    { num_cpu: 2, cpu_shares_level: "high", mem_limit_mb: 0 },
    "Set-VM web-01 -NumCpu 2; Get-VMResourceConfiguration web-01 | Set-VMResourceConfiguration -CpuSharesLevel High -MemLimitMB 0",
  ],
  ["PATCH", "/vms/vm-1", { pool: "pool-1" }, "Move-VM web-01 -Destination prod"],
  ["PATCH", "/vms/vm-1", { parent: "folder-1" }, "Move-VM web-01 -InventoryLocation shop"],
  [
    "PATCH",
    "/vms/vm-1",
    { ha_restart_priority: "cluster", ha_isolation_response: "leave_on", drs_automation: "cluster" },
    "Set-VM web-01 -HARestartPriority ClusterRestartPriority -HAIsolationResponse DoNothing -DrsAutomationLevel AsSpecifiedByCluster",
  ],
  [
    "POST",
    "/vms",
    { name: "web-{1..3}", template: "template-1", cluster: "cluster-1", power_on: true, full: false },
    "New-VM 'web-{1..3}' -Template tiny -PowerOn -ResourcePool c1",
  ],
  ["POST", "/vms/vm-1/clone", { name: "copy", datastore: "datastore-1", power_on: false }, "New-VM copy -VM web-01 -Datastore ssd"],
  ["DELETE", "/vms/vm-1", undefined, "Remove-VM web-01 -DeletePermanently"],
  ["POST", "/hosts/host-2/maintenance", { evacuate: true }, "Set-VMHost h2 -State Maintenance -Evacuate"],
  ["DELETE", "/hosts/host-2/maintenance", undefined, "Set-VMHost h2 -State Connected"],
  [
    "PATCH",
    "/clusters/cluster-1",
    { drs_enabled: true, drs_automation_level: "fully_automated", ha_admission: "hosts" },
    "Set-Cluster c1 -DrsEnabled $true -DrsAutomationLevel FullyAutomated -HAAdmissionControlPolicy FailoverHosts",
  ],
  [
    "POST",
    "/pools",
    { name: "dev", parent: "pool-1", cpu_reservation_mhz: 500, cpu_expandable: false },
    "New-ResourcePool dev prod -CpuReservationMhz 500 -CpuExpandableReservation $false",
  ],
  ["PATCH", "/pools/pool-1", { mem_reservation_mb: 8192 }, "Set-ResourcePool prod -MemReservationMB 8192"],
  ["DELETE", "/pools/pool-1", undefined, "Remove-ResourcePool prod"],
  [
    "POST",
    "/rules",
    { name: "r", cluster: "cluster-1", type: "must_run_on", vms: ["vm-1", "vm-3"], hosts: ["host-2"] },
    "New-DrsRule r -Cluster c1 -Type MustRunOn -VM web-01,(Get-VM -Id vm-3) -VMHost h2",
  ],
  ["PATCH", "/rules/rule-1", { enabled: false }, "Set-DrsRule apart -Enabled $false"],
  ["POST", "/recommendations/rec-1/apply", {}, "Get-DrsRecommendation -State Pending -VM web-01 | Invoke-DrsRecommendation"],
  ["POST", "/recommendations/rec-1/dismiss", {}, "Get-DrsRecommendation -State Pending -VM web-01 | Invoke-DrsRecommendation -Dismiss"],
  ["POST", "/clusters/cluster-1/drs", { simulate: false }, "Get-DrsRecommendation c1 -Refresh"],
  ["POST", "/tasks/task-9/cancel", {}, "Stop-Task task-9"],
  ["POST", "/enroll-tokens", { name: "h9", cluster: "cluster-1" }, "New-VMHostToken h9 -Cluster c1"],
  ["PATCH", "/templates/template-1", { version: "2" }, "Set-Template tiny -Version 2"],
  ["POST", "/alarms/alarm-3/acknowledge", {}, "Get-Alarm -Id alarm-3 | Confirm-Alarm"],
  ["POST", "/alarms/alarm-3/silence", { until: 1767225600000 }, "Get-Alarm -Id alarm-3 | Suspend-Alarm -Until 2026-01-01T00:00:00.000Z"],
  ["POST", "/alarms/alarm-3/reset", {}, "Get-Alarm -Id alarm-3 | Reset-Alarm"],
  ["PATCH", "/alarmdefs/alarmdef-3", { enabled: false }, "Get-AlarmDefinition -Id alarmdef-3 | Set-AlarmDefinition -Enabled $false"],
  ["POST", "/tags/tag-1/assign", { objects: ["vm-1", "host-2"] }, "New-TagAssignment prod web-01,h2"],
  ["POST", "/tags/tag-2/assign", { objects: ["vm-3"] }, "New-TagAssignment (Get-Tag -Id tag-2) (Get-VM -Id vm-3)"],
  ["POST", "/tags/tag-1/unassign", { objects: ["vm-1"] }, "Get-TagAssignment web-01 | Where-Object Tag -eq prod | Remove-TagAssignment"],
  [
    "POST",
    "/tags/tag-3/unassign",
    { objects: ["vm-1"] },
    "Get-TagAssignment web-01 | Where-Object { $_.Tag.Id -eq 'tag-3' } | Remove-TagAssignment",
  ],
  ["DELETE", "/datastores/datastore-1", undefined, "Remove-Datastore ssd"],
  [
    "POST",
    "/users",
    { name: "ann", password: "a secret", role: "read_only" },
    "New-VIAccount ann -Role ReadOnly -Password (Read-Host password -AsSecureString)",
  ],
  ["PATCH", "/users/user-2", { password: "a secret" }, "Set-VIAccount ann -Password (Read-Host password -AsSecureString)"],
  ["PATCH", "/users/user-2", { enabled: false }, "Set-VIAccount ann -Enabled $false"],
  ["DELETE", "/users/user-2", undefined, "Remove-VIAccount ann"],
  ["POST", "/tokens", { name: "for prometheus", days: 30, role: "metrics" }, "New-ApiToken 'for prometheus' -Days 30 -Role Metrics"],
  ["DELETE", "/tokens/tok_1a-B", undefined, "Remove-ApiToken tok_1a-B"],
  ["DELETE", "/sessions/abc", undefined, null],
  [
    "POST",
    "/alarmdefs",
    { name: "busy", target: "vm", entity: "pool-1", conditions: [{ counter: "cpu.usage.average", red: 90 }], match: "any" },
    "New-AlarmDefinition busy -Target VM -Entity prod -AlarmTrigger @(@{counter = 'cpu.usage.average'; red = 90}) -Match Any",
  ],
  [
    "PATCH",
    "/alarmdefs/alarmdef-3",
    { description: "it's so", conditions: [{ property: "connection_state", is_not: ["connected"] }] },
    "Get-AlarmDefinition -Id alarmdef-3 | Set-AlarmDefinition -Description 'it''s so' -AlarmTrigger @(@{property = 'connection_state'; is_not = @('connected')})",
  ],
  ["DELETE", "/alarmdefs/alarmdef-3", undefined, "Get-AlarmDefinition -Id alarmdef-3 | Remove-AlarmDefinition"],
  ["POST", "/categories", { name: "Stage", cardinality: "single" }, "New-TagCategory Stage -Cardinality Single"],
  ["PATCH", "/categories/category-1", { cardinality: "multiple" }, "Set-TagCategory Environment -Cardinality Multiple"],
  ["DELETE", "/categories/category-1", undefined, "Remove-TagCategory Environment"],
  ["POST", "/tags", { name: "prod", category: "category-1" }, "New-Tag prod -Category Environment"],
  ["PATCH", "/tags/tag-1", { name: "live" }, "Set-Tag prod -Name live"],
  ["DELETE", "/tags/tag-2", undefined, "Remove-Tag (Get-Tag -Id tag-2)"],
];

test("each change has its line in the shell", () => {
  for (const [method, path, body, line] of cases) assert.equal(echo(method, path, body, names), line, `${method} ${path}`);
});

test("values are written as the shell's language has them", () => {
  assert.equal(literal({ a: [1, "x'y", true], b: null, c: { d: "" } }), "@{a = @(1, 'x''y', $true); b = $null; c = @{d = ''}}");
});

/** The parameters of each cmdlet, as the manual tells. */
function manual(): Map<string, string> {
  const text = readFileSync(new URL("../../docs/cmdlets.md", `file://${process.env.WEB_TEST_DIR}/`), "utf8");
  return new Map([...text.matchAll(/^([A-Z][A-Za-z]+-[A-Za-z]+)\b(.*)$/gm)].map((m) => [m[1] as string, m[2] as string]));
}

test("the lines use cmdlets and parameters that there are", () => {
  const cmdlets = manual();
  for (const [, , , line] of cases) {
    for (const command of (line ?? "").replaceAll(/'[^']*'/g, "x").split(/[|;{}()]/)) {
      const words = command.trim().split(/\s+/);
      const name = words[0] ?? "";
      if (!/^[A-Z][A-Za-z]+-[A-Za-z]+$/.test(name)) continue;
      const usage = cmdlets.get(name) ?? "";
      assert.ok(cmdlets.has(name), `there is no ${name}`);
      for (const p of words.filter((w) => /^-[A-Z]/.test(w))) assert.ok(new RegExp(`\\[?${p}[\\] ]`).test(usage), `${name} has no ${p}`);
    }
  }
});
