import { useSignal } from "@preact/signals";
import { logIn, session } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";

function Fields({ user }: { user: string }) {
  const busy = useSignal(false);
  const failed = useSignal("");

  async function submit(e: SubmitEvent) {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    busy.value = true;
    failed.value = "";
    try {
      await logIn(String(form.get("user")), String(form.get("password")));
    } catch (err) {
      failed.value = (err as Error).message;
    }
    busy.value = false;
  }

  return (
    <form onSubmit={submit} class="fields">
      <label>
        {t.login.user}
        <input name="user" autocomplete="username" defaultValue={user} autofocus={!user} required maxLength={80} />
      </label>
      <label>
        {t.login.password}
        <input name="password" type="password" autocomplete="current-password" autofocus={!!user} required maxLength={256} />
      </label>
      <button class="primary" type="submit" disabled={busy.value}>
        {busy.value ? t.login.busy : t.login.go}
      </button>
      <p class="problem" role="alert">
        {failed.value}
      </p>
    </form>
  );
}

export function Login() {
  return (
    <main class="login">
      <section aria-labelledby="login-title">
        <h1 id="login-title">
          <img src="/favicon.svg" alt="" width="28" height="28" /> {t.app.name}
        </h1>
        <Fields user="" />
      </section>
    </main>
  );
}

/** Over the pages, which stay as they are. It does not close by Escape: nothing works without it. */
export function LoginAgain({ why }: { why: string }) {
  return (
    <Dialog title={t.login.again} onClose={() => undefined}>
      <p>{t.login.ended(why)}</p>
      <Fields user={session.value?.user ?? ""} />
    </Dialog>
  );
}
