import type { Snapshot, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { mayOperate } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { type Sending, Sent, useSend } from "../ui/send.tsx";

interface Node {
  snapshot: Snapshot;
  depth: number;
}

/** Parents before children, older before newer. */
function tree(all: Snapshot[], parent: string | null, depth = 0): Node[] {
  return all
    .filter((s) => s.parent_snapshot === parent)
    .sort((a, b) => Number(a.id.slice(5)) - Number(b.id.slice(5)))
    .flatMap((snapshot) => [{ snapshot, depth }, ...tree(all, snapshot.id, depth + 1)]);
}

function Take({ vm, sending }: { vm: Vm; sending: Sending }) {
  function submit(e: SubmitEvent) {
    e.preventDefault();
    const box = e.currentTarget as HTMLFormElement;
    const form = new FormData(box);
    const body: Record<string, unknown> = { name: String(form.get("name")).trim() };
    for (const k of ["memory", "quiesce"]) if (form.get(k) === "on") body[k] = true;
    void sending.send({ method: "POST", path: `/vms/${vm.id}/snapshots`, body }, { done: () => box.reset() });
  }
  return (
    <form onSubmit={submit} class="fields">
      <label>
        {t.snap.fresh}
        <input name="name" required maxLength={80} placeholder={t.snap.name} />
      </label>
      {vm.power_state === "powered_on" && (
        <>
          <label class="check">
            <input name="memory" type="checkbox" /> {t.snap.memory}
          </label>
          <label class="check">
            <input name="quiesce" type="checkbox" /> {t.snap.quiesce}
          </label>
        </>
      )}
      <div class="buttons">
        <button type="submit" class="primary" disabled={sending.busy}>
          {t.snap.take}
        </button>
      </div>
    </form>
  );
}

function Line({ node, vm, sending }: { node: Node; vm: Vm; sending: Sending }) {
  const { snapshot: s, depth } = node;
  const ready = s.lifecycle === "ready" && mayOperate();
  // One whose images could not be merged stays "deleting", and is deleted again.
  const removable = ready || (s.lifecycle === "deleting" && mayOperate());
  return (
    <li style={{ paddingLeft: `${depth * 18}px` }}>
      <span>
        <strong>{s.name}</strong>
        {vm.snapshot === s.id && (
          <>
            {" "}
            <span class="badge">{t.snap.current}</span>
          </>
        )}{" "}
        <span class="dim">
          {s.taken_at ? new Date(s.taken_at).toLocaleString() : s.lifecycle}
          {s.memory && t.snap.withMemory}
          {s.quiesced && t.snap.quiesced}
        </span>
        {s.description && <span class="dim"> {s.description}</span>}
      </span>
      <button
        type="button"
        disabled={sending.busy || !ready || vm.power_state === "powered_on"}
        title={vm.power_state === "powered_on" ? t.snap.offFirst : ""}
        aria-label={t.snap.revertTo(s.name)}
        onClick={() => void sending.send({ method: "POST", path: `/snapshots/${s.id}/revert`, body: {} })}
      >
        {t.snap.revert}
      </button>
      <button
        type="button"
        disabled={sending.busy || !removable}
        aria-label={t.snap.removeOne(s.name)}
        onClick={() => void sending.send({ method: "DELETE", path: `/snapshots/${s.id}` })}
      >
        {t.snap.remove}
      </button>
    </li>
  );
}

export function Snapshots({ vm: opened, onClose }: { vm: Vm; onClose: () => void }) {
  const vm = (inventory.get(opened.id) as Vm | undefined) ?? opened;
  const sending = useSend();
  const nodes = tree(
    inventory.all<Snapshot>("snap").filter((s) => s.parent === vm.id),
    null,
  );

  return (
    <Dialog title={t.snap.title(vm.name)} onClose={onClose}>
      {nodes.length ? (
        <ul class="tree">
          {nodes.map((n) => (
            <Line key={n.snapshot.id} node={n} vm={vm} sending={sending} />
          ))}
        </ul>
      ) : (
        <p class="dim">{t.snap.none}</p>
      )}
      {vm.needs_consolidation && (
        <p>
          {t.snap.needs}{" "}
          <button
            type="button"
            disabled={sending.busy || !mayOperate()}
            onClick={() => void sending.send({ method: "POST", path: `/vms/${vm.id}/consolidate`, body: {} })}
          >
            {t.snap.consolidate}
          </button>
        </p>
      )}
      {mayOperate() && <Take vm={vm} sending={sending} />}
      <Sent of={sending} />
      <div class="buttons">
        <button type="button" onClick={onClose}>
          {t.form.close}
        </button>
      </div>
    </Dialog>
  );
}
