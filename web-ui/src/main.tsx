import { render } from "preact";
import { followAddress } from "./store/route.ts";
import { session, start } from "./store/session.ts";
import { t } from "./text/en.ts";
import { Toasts } from "./ui/toasts.tsx";
import { App } from "./view/app.tsx";
import { followKeys } from "./view/keys.ts";
import { Login } from "./view/login.tsx";

function Root() {
  return (
    <>
      {session.value === undefined ? (
        <p class="empty slow" role="status">
          {t.form.waiting}
        </p>
      ) : session.value ? (
        <App />
      ) : (
        <Login />
      )}
      <Toasts />
    </>
  );
}

followAddress();
followKeys();
const app = document.getElementById("app");
if (app) render(<Root />, app);
void start();
