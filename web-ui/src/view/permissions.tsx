// Who may do what: roles hold for the whole inventory, so that the page of the accounts says it for each object.
import { href } from "../store/route.ts";
import { may, session } from "../store/session.ts";
import { t } from "../text/en.ts";

export function Permissions() {
  const mine = session.value?.role ?? "read_only";
  return (
    <div class="cards-in">
      <p>
        {t.perm.mine(t.app.role[mine])}{" "}
        <span class="dim">
          ({t.perm.rights[mine]}) {t.perm.here}
        </span>
      </p>
      <p>
        <a href={href("users", may("administrator") ? "accounts" : "roles")}>{t.pages.users}</a>
      </p>
    </div>
  );
}
