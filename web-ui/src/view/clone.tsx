import { useSignal } from "@preact/signals";
import { call } from "../net/api.ts";
import type { Datastore, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";

export function Clone({ vm, onClose }: { vm: Vm; onClose: () => void }) {
  const stores = inventory.all<Datastore>("datastore").filter((d) => vm.host && d.hosts.includes(vm.host));
  const failed = useSignal("");
  const busy = useSignal(false);

  async function submit(e: SubmitEvent) {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    const body: Record<string, unknown> = {
      name: String(form.get("name")).trim(),
      power_on: form.get("power_on") === "on",
    };
    if (form.get("datastore")) body.datastore = String(form.get("datastore"));
    busy.value = true;
    try {
      await call("POST", `/vms/${vm.id}/clone`, body);
      onClose();
    } catch (err) {
      failed.value = (err as Error).message;
      busy.value = false;
    }
  }

  return (
    <Dialog title={t.clone.title(vm.name)} onClose={onClose}>
      <form onSubmit={submit} class="fields">
        <label>
          {t.list.name}
          <input name="name" required maxLength={80} autofocus />
        </label>
        <label>
          {t.kind.datastore}
          <select name="datastore">
            <option value="">{t.clone.same}</option>
            {stores.map((d) => (
              <option key={d.id} value={d.id}>
                {d.name}
              </option>
            ))}
          </select>
        </label>
        <label class="check">
          <input name="power_on" type="checkbox" /> {t.clone.on}
        </label>
        <p class="problem" role="alert">
          {failed.value}
        </p>
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          <button type="submit" class="primary" disabled={busy.value}>
            {t.clone.go}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
