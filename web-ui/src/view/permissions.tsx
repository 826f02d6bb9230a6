import type { Obj } from "../net/types.ts";
import { may, session } from "../store/session.ts";
import { t } from "../text/en.ts";
import { Load } from "../ui/load.tsx";
import { moment } from "../ui/text.ts";

interface User extends Obj {
  role: keyof typeof t.app.role;
  enabled: boolean;
  last_login: string | null;
}

export function Users() {
  const mine = session.value?.role ?? "read_only";
  return (
    <div class="cards-in">
      <p>
        {t.perm.mine(t.app.role[mine])}{" "}
        <span class="dim">
          ({t.perm.rights[mine]}) {t.perm.here}
        </span>
      </p>
      {may("administrator") && (
        <Load<{ items: User[] }> path="/users">
          {({ items }) => (
            <table>
              <thead>
                <tr>
                  <th>{t.perm.user}</th>
                  <th>{t.perm.role}</th>
                  <th>{t.perm.enabled}</th>
                  <th>{t.perm.last}</th>
                </tr>
              </thead>
              <tbody>
                {items.map((u) => (
                  <tr key={u.id}>
                    <td>{u.name}</td>
                    <td>
                      {t.app.role[u.role]} <span class="dim">{t.perm.rights[u.role]}</span>
                    </td>
                    <td>{u.enabled ? t.perm.yes : t.perm.no}</td>
                    <td>{moment(u.last_login)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Load>
      )}
    </div>
  );
}

export const Permissions = Users;
