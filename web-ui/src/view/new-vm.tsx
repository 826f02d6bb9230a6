import { useSignal } from "@preact/signals";
import type { Obj, Template } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Sent, useSend } from "../ui/send.tsx";

/** What only containers have. */
function ContainerFields() {
  return (
    <>
      <label>
        {t.list.address}
        <input name="ip_address" pattern="[0-9.]{7,15}" placeholder={t.make.nextFree} />
      </label>
      <label>
        {t.make.hostName}
        <input name="host_name" maxLength={64} placeholder={t.make.asName} />
      </label>
      <label>
        {t.make.quota}
        <input name="disk_mb" type="number" min="16" placeholder="8192" />
      </label>
      <label>
        {t.make.swap}
        <input name="swap_limit_mb" type="number" min="0" placeholder={t.vm.none} />
      </label>
      <label>
        {t.make.processes}
        <input name="pids_limit" type="number" min="16" placeholder={t.make.asHost} />
      </label>
    </>
  );
}

export function NewVm({ template: from, cluster, onClose }: { template?: string; cluster?: string; onClose: () => void }) {
  const templates = inventory.all<Template>("template").filter((x) => x.lifecycle === "ready");
  const clusters = inventory.all<Obj>("cluster");
  const specs = inventory.all<Obj>("custspec");
  const template = useSignal(from ?? templates[0]?.id ?? "");
  const container = templates.find((x) => x.id === template.value)?.guest_type === "container";
  const sending = useSend();

  function submit(e: SubmitEvent) {
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
    void sending.send({ method: "POST", path: "/vms", body }, { done: onClose });
  }

  return (
    <Dialog title={t.list.create} onClose={onClose}>
      <form onSubmit={submit} class="fields">
        <label>
          {t.list.name}
          <input name="name" required maxLength={80} autofocus placeholder={t.make.pattern} />
        </label>
        <label>
          {t.kind.template}
          <select name="template" required value={template.value} onChange={(e) => (template.value = e.currentTarget.value)}>
            {templates.map((x) => (
              <option key={x.id} value={x.id}>
                {x.guest_type === "container" ? t.make.containers(x.name) : x.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t.list.cluster}
          <select name="cluster" defaultValue={cluster}>
            {clusters.map((c) => (
              <option key={c.id} value={c.id}>
                {c.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t.list.cpus}
          <input name="num_cpu" type="number" min="1" max="128" placeholder={t.make.asTemplate} />
        </label>
        <label>
          {t.make.memory}
          <input name="memory_mb" type="number" min="32" placeholder={t.make.asTemplate} />
        </label>
        {specs.length > 0 && (
          <label>
            {t.make.customisation}
            <select name="custspec">
              <option value="">{t.vm.none}</option>
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
            <input name="full" type="checkbox" /> {t.make.full}
          </label>
        )}
        <label class="check">
          <input name="power_on" type="checkbox" defaultChecked /> {t.clone.on}
        </label>
        {!templates.length && <p class="problem">{t.make.noTemplate}</p>}
        <Sent of={sending} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          <button type="submit" class="primary" disabled={sending.busy || !templates.length}>
            {t.form.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
