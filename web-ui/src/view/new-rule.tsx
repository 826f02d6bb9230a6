import { useSignal } from "@preact/signals";
import type { Host, Obj, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { lineOf } from "../store/commands.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Sent, useSend } from "../ui/send.tsx";

const byName = (a: Obj, b: Obj): number => a.name.localeCompare(b.name, "en", { numeric: true });

function Choose({ label, of, list, onChange }: { label: string; of: string; list: Obj[]; onChange: (ids: string[]) => void }) {
  return (
    <label>
      {label}
      <select
        name={of}
        multiple
        size={Math.min(8, Math.max(3, list.length))}
        onChange={(e) => onChange([...e.currentTarget.selectedOptions].map((x) => x.value))}
      >
        {list.map((o) => (
          <option key={o.id} value={o.id}>
            {o.name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function NewRule({ cluster, onClose }: { cluster: Obj; onClose: () => void }) {
  const type = useSignal("apart");
  const name = useSignal("");
  const vms = useSignal<string[]>([]);
  const hosts = useSignal<string[]>([]);
  const sending = useSend();
  const withHosts = type.value.endsWith("_on");
  const clusterHosts = inventory.all<Host>("host").filter((h) => h.parent === cluster.id);
  const ids = new Set(clusterHosts.map((h) => h.id));
  const guests = inventory.all<Vm>("vm").filter((v) => v.host && ids.has(v.host));
  const body = {
    name: name.value.trim(),
    cluster: cluster.id,
    type: type.value,
    vms: vms.value,
    ...(withHosts ? { hosts: hosts.value } : {}),
  };
  function submit(e: SubmitEvent) {
    e.preventDefault();
    void sending.send({ method: "POST", path: "/rules", body }, { done: onClose });
  }
  return (
    <Dialog title={`${t.action.newRule.replace("…", "")}: ${cluster.name}`} onClose={onClose}>
      <form onSubmit={submit} class="fields">
        <label>
          {t.rule.name}
          <input name="name" required maxLength={80} autofocus value={name.value} onInput={(e) => (name.value = e.currentTarget.value)} />
        </label>
        <label>
          {t.rule.type}
          <select name="type" value={type.value} onChange={(e) => (type.value = e.currentTarget.value)}>
            {Object.entries(t.rule.types).map(([id, title]) => (
              <option key={id} value={id}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <Choose label={t.rule.guests} of="vms" list={guests.sort(byName)} onChange={(x) => (vms.value = x)} />
        {withHosts && <Choose label={t.rule.hosts} of="hosts" list={clusterHosts.sort(byName)} onChange={(x) => (hosts.value = x)} />}
        <Sent of={sending} />
        <p class="line">
          <span class="dim">{t.form.command}</span> <code>{lineOf("POST", "/rules", body)}</code>
        </p>
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          <button type="submit" class="primary" disabled={sending.busy}>
            {t.form.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
