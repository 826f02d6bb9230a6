import type { Counter, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { amount } from "../ui/text.ts";

function CounterRow({ c }: { c: Counter }) {
  return (
    <tr>
      <td>{c.name}</td>
      <td class="num">{amount(c.current, c.unit)}</td>
      <td class="num">{c.peak ? amount(c.peak, c.unit) : ""}</td>
      <td class="num">{c.limit ? amount(c.limit, c.unit) : t.vm.none}</td>
      <td class="num">{c.failures}</td>
    </tr>
  );
}

/** What a guest uses of each resource, live. */
export function Counters({ vm, onClose }: { vm: Vm; onClose: () => void }) {
  const list = inventory.all<Vm>("vm").find((v) => v.id === vm.id)?.counters ?? [];
  return (
    <Dialog title={t.counters.title(vm.name)} onClose={onClose}>
      {list.length ? (
        <table>
          <thead>
            <tr>
              <th>{t.counters.resource}</th>
              <th class="num">{t.counters.now}</th>
              <th class="num">{t.counters.peak}</th>
              <th class="num">{t.vm.limit}</th>
              <th class="num">{t.counters.refused}</th>
            </tr>
          </thead>
          <tbody>
            {list.map((c) => (
              <CounterRow key={c.name} c={c} />
            ))}
          </tbody>
        </table>
      ) : (
        <p class="empty">{t.counters.empty}</p>
      )}
      <div class="buttons">
        <button type="button" onClick={onClose}>
          {t.form.close}
        </button>
      </div>
    </Dialog>
  );
}
