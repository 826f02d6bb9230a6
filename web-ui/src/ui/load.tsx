// What is fetched when it is looked at: loading, failed, there.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError, call } from "../net/api.ts";
import { t } from "../text/en.ts";

/** Shown only after a moment, by the style sheet: what comes at once does not flicker. */
export function Loading({ text = t.page.loading }: { text?: string }) {
  return (
    <p class="empty late" role="status">
      {text}
    </p>
  );
}

export function Failed({ error, retry }: { error: Error; retry: () => void }) {
  const id = error instanceof ApiError ? error.requestId : "";
  return (
    <div class="empty" role="alert">
      <p class="problem">
        {t.page.failed}: {error.message} {id && <span class="dim">({t.page.request(id)})</span>}
      </p>
      <button type="button" onClick={retry}>
        {t.page.retry}
      </button>
    </div>
  );
}

export function Load<T>({
  path,
  again,
  text,
  children,
}: {
  path: string;
  again?: unknown;
  text?: string;
  children: (value: T, reload: () => void) => ComponentChildren;
}) {
  const got = useSignal<{ path: string; value: T } | null>(null);
  const failed = useSignal<Error | null>(null);
  const load = (): void => {
    failed.value = null;
    call<T>("GET", path)
      .then((value) => {
        got.value = { path, value };
      })
      .catch((e: Error) => (failed.value = e));
  };
  useEffect(load, [path, again]);
  if (failed.value) return <Failed error={failed.value} retry={load} />;
  if (!got.value) return <Loading {...(text ? { text } : {})} />;
  return <>{children(got.value.value, load)}</>;
}
