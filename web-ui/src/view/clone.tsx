import type { Datastore, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Sent, useSend } from "../ui/send.tsx";

export function Clone({ vm, onClose }: { vm: Vm; onClose: () => void }) {
  const stores = inventory.all<Datastore>("datastore").filter((d) => vm.host && d.hosts.includes(vm.host));
  const sending = useSend();

  function submit(e: SubmitEvent) {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    const body: Record<string, unknown> = {
      name: String(form.get("name")).trim(),
      power_on: form.get("power_on") === "on",
    };
    if (form.get("datastore")) body.datastore = String(form.get("datastore"));
    void sending.send({ method: "POST", path: `/vms/${vm.id}/clone`, body }, { done: onClose });
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
        <Sent of={sending} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          <button type="submit" class="primary" disabled={sending.busy}>
            {t.clone.go}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
