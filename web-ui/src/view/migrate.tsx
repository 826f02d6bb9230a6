import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../net/api.ts";
import type { Datastore, Host, MoveCheck, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";

/** Per host: what is in the way, of which machine. */
type Ways = Map<string, string[]>;

async function look(vms: Vm[], datastore: string): Promise<Ways> {
  const ways: Ways = new Map();
  const body = datastore ? { datastore } : {};
  await Promise.all(
    vms.map(async (vm) => {
      const { items } = await call<{ items: MoveCheck[] }>("POST", `/vms/${vm.id}/migrate-check`, body);
      for (const c of items) {
        const list = ways.get(c.host) ?? [];
        for (const o of c.obstacles) list.push(vms.length > 1 ? `${vm.name}: ${o}` : o);
        ways.set(c.host, list);
      }
      if (vm.host && !items.some((c) => c.host === vm.host)) ways.set(vm.host, [...(ways.get(vm.host) ?? []), t.drop.same(vm.name)]);
    }),
  );
  return ways;
}

function HostChoice({ host, obstacles }: { host: Host; obstacles: string[] | undefined }) {
  return (
    <label class="choice">
      <input type="radio" name="host" value={host.id} required disabled={!obstacles || obstacles.length > 0} />
      <span>
        {host.name}
        {obstacles?.map((o) => (
          <span key={o} class="problem">
            {o}
          </span>
        ))}
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

  useEffect(() => {
    const asked = datastore.value;
    ways.value = null;
    look(vms, asked)
      .then((w) => {
        if (asked === datastore.value) ways.value = w;
      })
      .catch((e: Error) => (failed.value = e.message));
  }, [datastore.value]);

  function submit(e: SubmitEvent) {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    const body: Record<string, string> = { host: String(form.get("host")) };
    if (datastore.value) body.datastore = datastore.value;
    onClose();
    for (const vm of vms)
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
            <HostChoice key={h.id} host={h} obstacles={ways.value ? (ways.value.get(h.id) ?? []) : undefined} />
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
          <button type="submit" class="primary" disabled={!ways.value}>
            {t.move.go}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
