import { render } from "preact";
import { followAddress } from "./store/route.ts";
import { session, start } from "./store/session.ts";
import { Toasts } from "./ui/toasts.tsx";
import { App } from "./view/app.tsx";
import { followKeys } from "./view/keys.ts";
import { Login } from "./view/login.tsx";

function Root() {
  return (
    <>
      {session.value === undefined ? null : session.value ? <App /> : <Login />}
      <Toasts />
    </>
  );
}

followAddress();
followKeys();
const app = document.getElementById("app");
if (app) render(<Root />, app);
void start();
