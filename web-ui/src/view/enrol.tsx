import { useSignal } from "@preact/signals";
import type { Obj } from "../net/types.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Sent, useSend } from "../ui/send.tsx";
import { moment } from "../ui/text.ts";

interface Token {
  token: string;
  ca_fingerprint: string;
  expires_at: string;
}

/** What a new host needs to join: shown once. */
export function AddHost({ cluster, onClose }: { cluster: Obj; onClose: () => void }) {
  const made = useSignal<Token | null>(null);
  const sending = useSend();
  function submit(e: SubmitEvent) {
    e.preventDefault();
    const name = String(new FormData(e.currentTarget as HTMLFormElement).get("name")).trim();
    const body = { cluster: cluster.id, name };
    void sending.send<Token>({ method: "POST", path: "/enroll-tokens", body }, { done: (k) => (made.value = k) });
  }
  const k = made.value;
  return (
    <Dialog title={`${t.enrol.title}: ${cluster.name}`} onClose={onClose} wide>
      {k ? (
        <>
          <p>{t.enrol.use}</p>
          <pre class="code">{`drover-agent enroll --server ${location.host} --token ${k.token} --ca-fingerprint ${k.ca_fingerprint}`}</pre>
          <p class="dim">{t.enrol.until(moment(k.expires_at))}</p>
          <div class="buttons">
            <button type="button" class="primary" onClick={onClose}>
              {t.form.close}
            </button>
          </div>
        </>
      ) : (
        <form onSubmit={submit} class="fields">
          <label>
            {t.enrol.name}
            <input name="name" required maxLength={64} autofocus />
          </label>
          <Sent of={sending} />
          <div class="buttons">
            <button type="button" onClick={onClose}>
              {t.form.cancel}
            </button>
            <button type="submit" class="primary" disabled={sending.busy}>
              {t.enrol.make}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
