import type { Datastore, Network, Obj, Template, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { open } from "../store/dialogs.ts";
import { mayOperate } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Bar } from "../ui/bars.tsx";
import { Facts } from "../ui/facts.tsx";
import { bytes, gb, moment } from "../ui/text.ts";
import { Ref } from "./columns.tsx";
import { MiniChart } from "./mini-chart.tsx";

const NEARLY_FULL = 0.9;

export function DatastoreSummary({ store: d }: { store: Datastore }) {
  const used = d.capacity_bytes - d.free_bytes;
  const missing = d.hosts.filter((h) => !d.reachable_hosts.includes(h));
  return (
    <div class="grid">
      <section class="card">
        <h2>{t.cluster.capacity}</h2>
        <Bar
          label={t.store.used}
          part={used}
          whole={d.capacity_bytes}
          hot={NEARLY_FULL}
          text={`${bytes(used)} of ${bytes(d.capacity_bytes)}`}
        />
        {d.capacity_bytes > 0 && used / d.capacity_bytes > NEARLY_FULL && <p class="bad">▲ {t.store.noSpace}</p>}
        {missing.length > 0 && (
          <p class="problem" role="alert">
            ▲ {t.store.unreachable} {missing.map((h) => inventory.name(h)).join(", ")}
          </p>
        )}
      </section>
      <Facts
        title={t.host.facts}
        rows={[
          [t.store.type, d.type],
          [t.store.path, <span class="mono">{d.path}</span>],
          [t.list.shared, d.shared ? t.pool.yes : t.pool.no],
          [
            t.store.hosts,
            d.hosts.map((h, i) => (
              <span key={h}>
                {i > 0 && ", "}
                <Ref id={h} />
              </span>
            )),
          ],
          [t.store.quota, d.quota_bytes ? bytes(d.quota_bytes) : null],
        ]}
      />
      <MiniChart object={d} counter="disk.used.latest" />
    </div>
  );
}

export function NetworkSummary({ network: n }: { network: Network }) {
  return (
    <div class="grid">
      <Facts
        title={t.host.facts}
        rows={[
          [t.list.bridge, n.bridge],
          ["VLAN", n.vlan || null],
          [t.list.addresses, n.cidr],
          [t.list.gateway, n.gateway],
          ["DNS", n.dns],
          [t.list.range, n.range_first && `${n.range_first} – ${n.range_last}`],
        ]}
      />
    </div>
  );
}

export function TemplateSummary({ template: x }: { template: Template }) {
  return (
    <div class="grid">
      <Facts
        title={t.host.facts}
        rows={[
          [t.list.kind, x.guest_type],
          [t.list.state, x.lifecycle],
          [t.list.cpus, x.num_cpu],
          [t.list.memory, gb(x.memory_mb)],
          [t.list.size, bytes(x.virtual_bytes)],
          [t.list.format, x.format],
          [t.kind.datastore ?? "", <Ref id={x.datastore} />],
          [t.store.path, <span class="mono">{x.path}</span>],
          ["SHA-256", x.sha256 && <span class="mono long">{x.sha256}</span>],
          [t.list.version, x.version],
          [t.vm.notes, x.notes],
        ]}
      >
        {mayOperate() && x.lifecycle === "ready" && (
          <button type="button" class="primary" onClick={() => open("new-vm", [x])}>
            {t.action.deploy}
          </button>
        )}
      </Facts>
    </div>
  );
}

export function FolderSummary({ object }: { object: Obj }) {
  const inside = inventory.placed().filter((o) => o.parent === object.id);
  const count = (kind: string): number => inside.filter((o) => o.kind === kind).length;
  return (
    <div class="grid">
      <Facts
        title={t.host.facts}
        rows={[
          ...["cluster", "folder", "vm", "template", "datastore", "network"].map((k): [string, number | null] => [
            t.kind[k] ?? k,
            count(k) || null,
          ]),
          [t.task.started, moment(object.created_at)],
        ]}
      >
        <ul>
          {inside
            .filter((o) => !(o as Partial<Vm>).guest_type)
            .map((o) => (
              <li key={o.id}>
                <Ref id={o.id} />
              </li>
            ))}
        </ul>
      </Facts>
    </div>
  );
}
