// A change that a dialog sends: once, told while it is waited for, and told when it fails, even to who
// has closed the dialog meanwhile.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, call } from "../net/api.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";

interface Change {
  method: string;
  path: string;
  body?: unknown;
}

interface More<T> {
  /** Only if the object is still as people had set it at this revision. */
  rev?: number;
  done?(answer: T): void;
  /** Instead of its words being shown. */
  refused?(e: ApiError): void;
}

export interface Sending {
  busy: boolean;
  failed: string;
  send<T>(what: Change, more?: More<T>): Promise<void>;
}

export function useSend(): Sending {
  const busy = useSignal(false);
  const failed = useSignal("");
  const open = useRef(true);
  const tried = useRef({ what: "", op: "" });
  useEffect(
    () => () => {
      open.current = false;
    },
    [],
  );

  async function send<T>(what: Change, more: More<T> = {}): Promise<void> {
    if (busy.peek()) return;
    const text = JSON.stringify(what);
    // The same once more after a lost answer is the same operation.
    if (tried.current.what !== text) tried.current = { what: text, op: crypto.randomUUID() };
    busy.value = true;
    failed.value = "";
    try {
      const answer = await call<T>(what.method, what.path, what.body, { op: tried.current.op, ...(more.rev ? { rev: more.rev } : {}) });
      busy.value = false;
      if (open.current) more.done?.(answer);
    } catch (e) {
      busy.value = false;
      if (e instanceof ApiError && e.status) tried.current = { what: "", op: "" };
      if (!open.current) say("error", (e as Error).message);
      else if (more.refused && e instanceof ApiError && e.changed) more.refused(e);
      else failed.value = (e as Error).message;
    }
  }
  return { busy: busy.value, failed: failed.value, send };
}

/** What became of it, above the buttons. */
export function Sent({ of }: { of: Sending }) {
  return (
    <div class="sent">
      <p class="dim" role="status">
        {of.busy && <span class="late">{t.form.waiting}</span>}
      </p>
      <p class="problem" role="alert">
        {of.failed}
      </p>
    </div>
  );
}
