import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../net/api.ts";
import type { Host, Plan } from "../net/types.ts";
import { lineOf } from "../store/commands.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Failed, Loading } from "../ui/load.tsx";
import { Sent, useSend } from "../ui/send.tsx";
import { Ref } from "./columns.tsx";

function Moves({ plan }: { plan: Plan }) {
  return (
    <>
      {plan.items.length > 0 ? (
        <>
          <p>{t.host.planMove}</p>
          <table>
            <thead>
              <tr>
                <th>{t.kind.vm}</th>
                <th>{t.host.target}</th>
                <th>{t.cluster.reason}</th>
              </tr>
            </thead>
            <tbody>
              {plan.items.map((m) => (
                <tr key={m.name}>
                  <td>
                    <Ref id={m.vm} />
                  </td>
                  <td>
                    <Ref id={m.to_host} />
                  </td>
                  <td class="wrap">{m.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      ) : (
        !plan.blockers.length && <p>{t.host.planNone}</p>
      )}
      {plan.blockers.length > 0 && (
        <div role="alert">
          <p class="problem">{t.host.planBlocked}</p>
          <ul>
            {plan.blockers.map((b) => (
              <li key={b.vm}>
                <strong>{b.name}</strong>: {b.text}
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

/** Enter agrees to what has just been shown. */
function takeFocus(button: HTMLButtonElement | null): void {
  button?.focus();
}

/** The plan is seen before anybody agrees to it. */
export function Maintenance({ host, onClose }: { host: Host; onClose: () => void }) {
  const plan = useSignal<Plan | null>(null);
  const failed = useSignal<Error | null>(null);
  const sending = useSend();
  const evacuate = useSignal(false);
  const look = (): void => {
    failed.value = null;
    call<Plan>("POST", `/hosts/${host.id}/maintenance-check`, {})
      .then((p) => (plan.value = p))
      .catch((e: Error) => (failed.value = e));
  };
  useEffect(look, [host.id]);
  const path = `/hosts/${host.id}/maintenance`;
  const body = evacuate.value ? { evacuate: true } : {};
  const enter = (): void => void sending.send({ method: "POST", path, body }, { done: onClose });
  return (
    <Dialog title={`${t.host.enter}: ${host.name}`} onClose={onClose} wide>
      <h3>{t.host.plan}</h3>
      {failed.value ? (
        <Failed error={failed.value} retry={look} />
      ) : plan.value ? (
        <Moves plan={plan.value} />
      ) : (
        <Loading text={t.host.looking} />
      )}
      <label class="check">
        <input type="checkbox" checked={evacuate.value} onChange={(e) => (evacuate.value = e.currentTarget.checked)} /> {t.host.evacuate}
      </label>
      <Sent of={sending} />
      <p class="line">
        <span class="dim">{t.form.command}</span> <code>{lineOf("POST", path, body)}</code>
      </p>
      <div class="buttons">
        <button type="button" onClick={onClose}>
          {t.form.cancel}
        </button>
        {plan.value && !plan.value.blockers.length && (
          <button type="button" class="primary" ref={takeFocus} disabled={sending.busy} onClick={enter}>
            {t.host.enter}
          </button>
        )}
      </div>
    </Dialog>
  );
}
