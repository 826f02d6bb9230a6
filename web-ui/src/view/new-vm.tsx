import { useSignal } from "@preact/signals";
import { call } from "../net/api.ts";
import type { Obj, Template } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { Dialog } from "../ui/dialog.tsx";

export function NewVm({ onClose }: { onClose: () => void }) {
  const templates = inventory.all<Template>("template").filter((t) => t.lifecycle === "ready");
  const clusters = inventory.all<Obj>("cluster");
  const specs = inventory.all<Obj>("custspec");
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
    for (const k of ["num_cpu", "memory_mb"]) if (form.get(k)) body[k] = Number(form.get(k));
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
          <select name="template" required>
            {templates.map((t) => (
              <option key={t.id} value={t.id}>
                {t.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Cluster
          <select name="cluster">
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
        <label class="check">
          <input name="full" type="checkbox" /> Copy the disk instead of sharing the template's
        </label>
        <label class="check">
          <input name="power_on" type="checkbox" checked /> Power on
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
