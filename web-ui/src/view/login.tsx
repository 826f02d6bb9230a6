import { useSignal } from "@preact/signals";
import { logIn } from "../store/session.ts";

export function Login() {
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
    <main class="login">
      <form onSubmit={submit} aria-labelledby="login-title">
        <h1 id="login-title">
          <img src="/favicon.svg" alt="" width="28" height="28" /> Drover
        </h1>
        <label>
          User
          <input name="user" autocomplete="username" autofocus required maxLength={80} />
        </label>
        <label>
          Password
          <input name="password" type="password" autocomplete="current-password" required maxLength={256} />
        </label>
        <button class="primary" type="submit" disabled={busy.value}>
          {busy.value ? "Checking…" : "Log in"}
        </button>
        <p class="problem" role="alert">
          {failed.value}
        </p>
      </form>
    </main>
  );
}
