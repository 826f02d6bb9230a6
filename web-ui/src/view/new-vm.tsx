import { useSignal } from "@preact/signals";
import { call } from "../net/api.ts";
import type { Obj, Template } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { Dialog } from "../ui/dialog.tsx";

/** What only containers have. */
function ContainerFields() {
  return (
    <>
      <label>
        Address
        <input name="ip_address" pattern="[0-9.]{7,15}" placeholder="the next free one" />
      </label>
      <label>
        Host name
        <input name="host_name" maxLength={64} placeholder="as its name" />
      </label>
      <label>
        Disk quota (MB)
        <input name="disk_mb" type="number" min="16" placeholder="8192" />
      </label>
      <label>
        Swap (MB)
        <input name="swap_limit_mb" type="number" min="0" placeholder="none" />
      </label>
      <label>
        Processes
        <input name="pids_limit" type="number" min="16" placeholder="as the host allows" />
      </label>
    </>
  );
}

export function NewVm({ template: from, cluster, onClose }: { template?: string; cluster?: string; onClose: () => void }) {
  const templates = inventory.all<Template>("template").filter((t) => t.lifecycle === "ready");
  const clusters = inventory.all<Obj>("cluster");
  const specs = inventory.all<Obj>("custspec");
  const template = useSignal(from ?? templates[0]?.id ?? "");
  const container = templates.find((t) => t.id === template.value)?.guest_type === "container";
  const failed = useSignal("");
  const busy = useSignal(false);

  async function submit(e: SubmitEvent) {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    const body: Record<string, unknown> = {
      name: String(form.get("name")).trim(),
      template: String(form.get("template")),
      power_on: form.get("power_on") === "on",
    };
    if (form.get("full") === "on") body.full = true;
    if (form.get("custspec")) body.custspec = String(form.get("custspec"));
    if (form.get("cluster")) body.cluster = String(form.get("cluster"));
    for (const k of ["ip_address", "host_name"]) if (form.get(k)) body[k] = String(form.get(k)).trim();
    for (const k of ["num_cpu", "memory_mb", "disk_mb", "swap_limit_mb", "pids_limit"]) if (form.get(k)) body[k] = Number(form.get(k));
    busy.value = true;
    try {
      await call("POST", "/vms", body);
      onClose();
    } catch (err) {
      failed.value = (err as Error).message;
      busy.value = false;
    }
  }

  return (
    <Dialog title="New machine" onClose={onClose}>
      <form onSubmit={submit} class="fields">
        <label>
          Name
          <input name="name" required maxLength={80} autofocus placeholder="web-{01..20} makes twenty" />
        </label>
        <label>
          Template
          <select name="template" required value={template.value} onChange={(e) => (template.value = e.currentTarget.value)}>
            {templates.map((t) => (
              <option key={t.id} value={t.id}>
                {t.guest_type === "container" ? `${t.name} (containers)` : t.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Cluster
          <select name="cluster" defaultValue={cluster}>
            {clusters.map((c) => (
              <option key={c.id} value={c.id}>
                {c.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          CPUs
          <input name="num_cpu" type="number" min="1" max="128" placeholder="as the template" />
        </label>
        <label>
          Memory (MB)
          <input name="memory_mb" type="number" min="32" placeholder="as the template" />
        </label>
        {specs.length > 0 && (
          <label>
            Customisation
            <select name="custspec">
              <option value="">none</option>
              {specs.map((s) => (
                <option key={s.id} value={s.id}>
                  {s.name}
                </option>
              ))}
            </select>
          </label>
        )}
        {container ? (
          <ContainerFields />
        ) : (
          <label class="check">
            <input name="full" type="checkbox" /> Copy the disk instead of sharing the template's
          </label>
        )}
        <label class="check">
          <input name="power_on" type="checkbox" defaultChecked /> Power on
        </label>
        {!templates.length && <p class="problem">There is no template yet: New-Template in the shell makes one.</p>}
        <p class="problem" role="alert">
          {failed.value}
        </p>
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy.value || !templates.length}>
            Create
          </button>
        </div>
      </form>
    </Dialog>
  );
}
