import type { Counter, Vm } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { Dialog } from "../ui/dialog.tsx";
import { amount } from "../ui/text.ts";

function CounterRow({ c }: { c: Counter }) {
  return (
    <tr>
      <td>{c.name}</td>
      <td class="num">{amount(c.current, c.unit)}</td>
      <td class="num">{c.peak ? amount(c.peak, c.unit) : ""}</td>
      <td class="num">{c.limit ? amount(c.limit, c.unit) : "none"}</td>
      <td class="num">{c.failures}</td>
    </tr>
  );
}

/** What a guest uses of each resource, live. */
export function Counters({ vm, onClose }: { vm: Vm; onClose: () => void }) {
  const list = inventory.all<Vm>("vm").find((v) => v.id === vm.id)?.counters ?? [];
  return (
    <Dialog title={`Counters of ${vm.name}`} onClose={onClose}>
      {list.length ? (
        <table>
          <thead>
            <tr>
              <th>Resource</th>
              <th class="num">Now</th>
              <th class="num">Peak</th>
              <th class="num">Limit</th>
              <th class="num">Refused</th>
            </tr>
          </thead>
          <tbody>
            {list.map((c) => (
              <CounterRow key={c.name} c={c} />
            ))}
          </tbody>
        </table>
      ) : (
        <p class="empty">Its host has not counted yet.</p>
      )}
      <div class="buttons">
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
