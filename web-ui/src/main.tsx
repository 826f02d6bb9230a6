import { render } from "preact";
import { session, start } from "./store/session.ts";
import { Toasts } from "./ui/toasts.tsx";
import { App } from "./view/app.tsx";
import { Login } from "./view/login.tsx";

function Root() {
  return (
    <>
      {session.value === undefined ? null : session.value ? <App /> : <Login />}
      <Toasts />
    </>
  );
}

// "/" goes to the filter, as in every tool of this kind.
document.addEventListener("keydown", (e) => {
  const at = document.activeElement;
  if (e.key !== "/" || e.ctrlKey || e.metaKey || at instanceof HTMLInputElement || at instanceof HTMLSelectElement) return;
  e.preventDefault();
  document.getElementById("filter")?.focus();
});

const app = document.getElementById("app");
if (app) render(<Root />, app);
void start();
