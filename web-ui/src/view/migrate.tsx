import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { call } from "../net/api.ts";
import type { Datastore, Host, MoveCheck, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";

interface Way {
  /** What is in the way, of which machine. */
  obstacles: string[];
  /** Who is there already, and stays. */
  there: Vm[];
}

type Ways = Map<string, Way>;

async function look(vms: Vm[], hosts: Host[], datastore: string): Promise<Ways> {
  const ways: Ways = new Map(hosts.map((h) => [h.id, { obstacles: [], there: vms.filter((vm) => vm.host === h.id) }]));
  const body = datastore ? { datastore } : {};
  await Promise.all(
    vms.map(async (vm) => {
      const { items } = await call<{ items: MoveCheck[] }>("POST", `/vms/${vm.id}/migrate-check`, body);
      for (const c of items) for (const o of c.obstacles) ways.get(c.host)?.obstacles.push(vms.length > 1 ? `${vm.name}: ${o}` : o);
    }),
  );
  // Some may stay while the others come, but somebody has to move.
  for (const way of ways.values())
    if (way.there.length && (datastore || way.there.length === vms.length))
      way.obstacles.push(...way.there.map((vm) => t.drop.same(vm.name)));
  return ways;
}

const isFree = (way: Way | undefined): boolean => way?.obstacles.length === 0;

/** Of the hosts that take all of them, the one with the most free memory. */
function freest(hosts: Host[], ways: Ways): string {
  const free = (h: Host): number => h.memory_total_mb - h.memory_usage_mb;
  return hosts.filter((h) => isFree(ways.get(h.id))).sort((a, b) => free(b) - free(a))[0]?.id ?? "";
}

interface HostChoiceProps {
  host: Host;
  way: Way | undefined;
  chosen: string;
  choose: (id: string) => void;
}

function HostChoice({ host, way, chosen, choose }: HostChoiceProps) {
  return (
    <label class="choice">
      <input
        type="radio"
        name="host"
        value={host.id}
        required
        checked={chosen === host.id}
        disabled={!isFree(way)}
        onChange={() => choose(host.id)}
      />
      <span>
        {host.name}
        {way?.obstacles.map((o) => (
          <span key={o} class="problem">
            {o}
          </span>
        ))}
        {isFree(way) && way?.there.map((vm) => <span key={vm.id}> {t.drop.same(vm.name)}</span>)}
      </span>
    </label>
  );
}

export function Migrate({ vms, onClose }: { vms: Vm[]; onClose: () => void }) {
  const hosts = inventory.all<Host>("host");
  const stores = inventory.all<Datastore>("datastore");
  const datastore = useSignal("");
  const ways = useSignal<Ways | null>(null);
  const failed = useSignal("");
  const chosen = useSignal("");
  const go = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    const asked = datastore.value;
    ways.value = null;
    look(vms, hosts, asked)
      .then((w) => {
        if (asked !== datastore.value) return;
        ways.value = w;
        if (!isFree(w.get(chosen.value))) chosen.value = freest(hosts, w);
      })
      .catch((e: Error) => (failed.value = e.message));
  }, [datastore.value]);

  useEffect(() => {
    if (ways.value && !datastore.value) go.current?.focus();
  }, [ways.value]);

  function submit(e: SubmitEvent) {
    e.preventDefault();
    const body: Record<string, string> = { host: chosen.value };
    if (datastore.value) body.datastore = datastore.value;
    onClose();
    for (const vm of vms.filter((v) => v.host !== chosen.value))
      call("POST", `/vms/${vm.id}/migrate`, body).catch((err: Error) => say("error", `${t.move.title(1, vm.name)}: ${err.message}`));
  }

  return (
    <Dialog title={t.move.title(vms.length, vms[0]?.name ?? "")} onClose={onClose}>
      <form onSubmit={submit} class="fields">
        <label>
          {t.vm.disks}
          <select value={datastore.value} onChange={(e) => (datastore.value = e.currentTarget.value)}>
            <option value="">{t.move.stay}</option>
            {stores.map((d) => (
              <option key={d.id} value={d.id}>
                {t.move.to(d.name)}
              </option>
            ))}
          </select>
        </label>
        <fieldset>
          <legend>{t.move.where}</legend>
          {hosts.map((h) => (
            <HostChoice key={h.id} host={h} way={ways.value?.get(h.id)} chosen={chosen.value} choose={(id) => (chosen.value = id)} />
          ))}
        </fieldset>
        <p class="dim" role="status">
          {ways.value || failed.value ? "" : t.move.looking}
        </p>
        <p class="problem" role="alert">
          {failed.value}
        </p>
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          <button type="submit" class="primary" ref={go} disabled={!ways.value || !chosen.value}>
            {t.move.go}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
