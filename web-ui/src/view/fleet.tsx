import { computed, signal } from "@preact/signals";
import type { Vm } from "../net/types.ts";
import { type Action, actions, fits, perform } from "../store/actions.ts";
import { inventory } from "../store/collection.ts";
import { type Row, parseFilter } from "../store/filter.ts";
import { mayOperate } from "../store/session.ts";
import { Dialog } from "../ui/dialog.tsx";
import { VmState } from "../ui/state.tsx";
import { gb } from "../ui/text.ts";
import { Clone } from "./clone.tsx";
import { Counters } from "./counters.tsx";
import { Migrate } from "./migrate.tsx";
import { NewVm } from "./new-vm.tsx";
import { Snapshots } from "./snapshots.tsx";

interface Column {
  id: string;
  title: string;
  number?: boolean;
  value(r: Row): string | number;
}

const columns: Column[] = [
  { id: "name", title: "Name", value: (r) => r.vm.name },
  { id: "kind", title: "Kind", value: (r) => r.vm.guest_type },
  { id: "power", title: "State", value: (r) => r.vm.power_state },
  { id: "host", title: "Host", value: (r) => r.host },
  { id: "ip", title: "Address", value: (r) => r.vm.ip_address ?? "" },
  { id: "cpu", title: "CPUs", number: true, value: (r) => r.vm.num_cpu },
  { id: "mem", title: "Memory", number: true, value: (r) => r.vm.memory_mb },
  { id: "used", title: "CPU used", number: true, value: (r) => r.vm.cpu_usage_mhz },
];

const filterText = signal("");
const sort = signal({ id: "name", down: false });
const selected = signal<ReadonlySet<string>>(new Set());
const asking = signal<{ action: Action; vms: Vm[] } | null>(null);
const opened = signal<{ what: Action["opens"]; vms: Vm[] } | null>(null);
const making = signal(false);

const parsed = computed(() => parseFilter(filterText.value));
const rows = computed<Row[]>(() => {
  const test = parsed.value;
  const all = inventory.all<Vm>("vm").map((vm) => ({ vm, host: inventory.name(vm.host) }));
  const kept = typeof test === "function" ? all.filter(test) : all;
  const col = columns.find((c) => c.id === sort.value.id) ?? (columns[0] as Column);
  const sign = sort.value.down ? -1 : 1;
  return kept.sort((a, b) => {
    const x = col.value(a);
    const y = col.value(b);
    const d =
      typeof x === "number" ? x - (y as number) : x.localeCompare(y as string, "en", { numeric: true });
    return sign * (d || a.vm.name.localeCompare(b.vm.name, "en", { numeric: true }));
  });
});
const chosen = computed(() => rows.value.filter((r) => selected.value.has(r.vm.id)).map((r) => r.vm));

function begin(action: Action, vms: Vm[]): void {
  const able = vms.filter((vm) => fits(action, vm));
  if (action.opens) opened.value = { what: action.opens, vms: able };
  else if (action.confirm) asking.value = { action, vms: able };
  else void perform(action, able);
}

function toggle(id: string): void {
  const next = new Set(selected.value);
  if (!next.delete(id)) next.add(id);
  selected.value = next;
}

function Head({ col }: { col: Column }) {
  const on = sort.value.id === col.id;
  return (
    <th class={col.number ? "num" : ""} aria-sort={on ? (sort.value.down ? "descending" : "ascending") : "none"}>
      <button type="button" class="plain" onClick={() => (sort.value = { id: col.id, down: on && !sort.value.down })}>
        {col.title}
        <span aria-hidden="true">{on ? (sort.value.down ? " ▾" : " ▴") : ""}</span>
      </button>
    </th>
  );
}

function RowActions({ vm }: { vm: Vm }) {
  const able = actions.filter((a) => fits(a, vm));
  return (
    <select
      aria-label={`Actions for ${vm.name}`}
      value=""
      disabled={!able.length}
      onChange={(e) => {
        const a = able.find((x) => x.id === e.currentTarget.value);
        e.currentTarget.value = "";
        if (a) begin(a, [vm]);
      }}
    >
      <option value="">Actions…</option>
      {able.map((a) => (
        <option key={a.id} value={a.id}>
          {a.title}
        </option>
      ))}
    </select>
  );
}

function FleetRow({ row }: { row: Row }) {
  const { vm } = row;
  return (
    <tr class={selected.value.has(vm.id) ? "selected" : ""} data-vm={vm.id}>
      <td>
        <input type="checkbox" aria-label={`Select ${vm.name}`} checked={selected.value.has(vm.id)} onChange={() => toggle(vm.id)} />
      </td>
      <td>
        <strong>{vm.name}</strong> <span class="dim">{vm.id}</span>
      </td>
      <td>{vm.guest_type}</td>
      <td>
        <VmState vm={vm} />
      </td>
      <td>{row.host}</td>
      <td class="mono">{vm.ip_address}</td>
      <td class="num">{vm.num_cpu}</td>
      <td class="num">{gb(vm.memory_mb)}</td>
      <td class="num">{vm.power_state === "powered_on" ? `${vm.cpu_usage_mhz} MHz` : ""}</td>
      <td>{mayOperate() && <RowActions vm={vm} />}</td>
    </tr>
  );
}

function Bulk() {
  const vms = chosen.value;
  if (!vms.length) return null;
  return (
    <div class="bulk" role="toolbar" aria-label="Actions for the selection">
      <strong>{vms.length} selected</strong>
      {actions
        .filter((a) => vms.some((vm) => fits(a, vm)))
        .filter((a) => vms.length === 1 || !a.opens || a.opens === "migrate")
        .map((a) => (
          <button key={a.id} type="button" onClick={() => begin(a, vms)}>
            {a.title} ({vms.filter((vm) => fits(a, vm)).length})
          </button>
        ))}
      <button type="button" class="plain" onClick={() => (selected.value = new Set())}>
        Clear
      </button>
    </div>
  );
}

function Confirm() {
  const ask = asking.value;
  if (!ask) return null;
  const close = () => (asking.value = null);
  return (
    <Dialog title={ask.action.title} onClose={close}>
      <p>{ask.action.confirm}</p>
      <p class="mono">{ask.vms.map((v) => v.name).join(", ")}</p>
      <div class="buttons">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            close();
            void perform(ask.action, ask.vms);
          }}
        >
          {ask.action.title}
        </button>
      </div>
    </Dialog>
  );
}

function Opened() {
  const now = opened.value;
  const close = () => (opened.value = null);
  const one = now?.vms[0];
  if (!now || !one) return null;
  if (now.what === "migrate") return <Migrate vms={now.vms} onClose={close} />;
  if (now.what === "counters") return <Counters vm={one} onClose={close} />;
  if (now.what === "snapshots") return <Snapshots vm={one} onClose={close} />;
  return <Clone vm={one} onClose={close} />;
}

function EmptyFleet() {
  if (filterText.value)
    return (
      <p class="empty">
        No machine matches the filter.{" "}
        <button type="button" class="plain" onClick={() => (filterText.value = "")}>
          Clear it
        </button>
      </p>
    );
  return <p class="empty">No machines yet. Make the first with New machine, or with New-VM in the shell.</p>;
}

export function Fleet() {
  const bad = typeof parsed.value === "function" ? "" : `“${parsed.value.bad}” is not understood`;
  const total = inventory.all("vm").length;
  return (
    <section class="fleet" aria-label="Virtual machines">
      <div class="bar-top">
        <h2>
          Machines <span class="dim">{rows.value.length === total ? total : `${rows.value.length} of ${total}`}</span>
        </h2>
        <input
          type="search"
          id="filter"
          aria-label="Filter"
          aria-invalid={bad ? "true" : "false"}
          placeholder="Filter: web*  power:on  kind:container  mem>=2gb  -test"
          value={filterText.value}
          onInput={(e) => (filterText.value = e.currentTarget.value)}
        />
        <span class="problem">{bad}</span>
        {mayOperate() && (
          <button type="button" class="primary" onClick={() => (making.value = true)}>
            New machine
          </button>
        )}
      </div>
      {mayOperate() && <Bulk />}
      <div class="scroll" role="region" aria-label="Machines" tabIndex={0}>
        <table aria-rowcount={total}>
          <thead>
            <tr>
              <th>
                <input
                  type="checkbox"
                  aria-label="Select all shown"
                  checked={rows.value.length > 0 && chosen.value.length === rows.value.length}
                  onChange={(e) => (selected.value = new Set(e.currentTarget.checked ? rows.value.map((r) => r.vm.id) : []))}
                />
              </th>
              {columns.map((c) => (
                <Head key={c.id} col={c} />
              ))}
              <th>
                <span class="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.value.map((r) => (
              <FleetRow key={r.vm.id} row={r} />
            ))}
          </tbody>
        </table>
        {!rows.value.length && <EmptyFleet />}
      </div>
      <Confirm />
      <Opened />
      {making.value && <NewVm onClose={() => (making.value = false)} />}
    </section>
  );
}
