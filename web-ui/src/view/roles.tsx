// What each role may do: the least role of every request, as the server's own description of itself tells.
import { useSignal } from "@preact/signals";
import type { RoleName } from "../store/accounts.ts";
import { t } from "../text/en.ts";
import { Load } from "../ui/load.tsx";

interface Description {
  paths: Record<string, Record<string, { summary?: string; "x-role"?: string }>>;
}

interface Privilege {
  title: string;
  route: string;
  /** The least role that has it. */
  least: RoleName;
}

const roles: RoleName[] = ["metrics", "read_only", "operator", "administrator"];

/** What nobody needs a role for is no privilege. */
function privileges({ paths }: Description): Privilege[] {
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, x]) => ({
        title: x.summary ?? "",
        route: `${method.toUpperCase()} ${path}`,
        least: x["x-role"] as RoleName,
      })),
    )
    .filter((p) => roles.includes(p.least))
    .sort((a, b) => roles.indexOf(b.least) - roles.indexOf(a.least) || a.title.localeCompare(b.title));
}

export function Roles() {
  const filter = useSignal("");
  return (
    <Load<Description> path="/openapi.json">
      {(d) => {
        const words = filter.value.toLowerCase();
        const list = privileges(d).filter((p) => `${p.title} ${p.route}`.toLowerCase().includes(words));
        return (
          <>
            <div class="bar-top">
              <span class="dim">{t.admin.roles}</span>
              <span class="grow" />
              <input
                type="search"
                id="filter"
                aria-label={t.admin.filter}
                placeholder={t.admin.filter}
                value={filter.value}
                onInput={(e) => (filter.value = e.currentTarget.value)}
              />
            </div>
            <table class="roles">
              <thead>
                <tr>
                  <th>{t.admin.privilege}</th>
                  <th>{t.admin.route}</th>
                  {roles.map((r) => (
                    <th key={r}>{t.app.role[r]}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {list.map((p) => (
                  <tr key={p.route}>
                    <th scope="row">{p.title}</th>
                    <td class="mono dim">{p.route}</td>
                    {roles.map((r) => {
                      const has = roles.indexOf(r) >= roles.indexOf(p.least);
                      return (
                        <td key={r} class={has ? "ok" : "dim"}>
                          <span aria-hidden="true">{has ? "✓" : "–"}</span>
                          <span class="hidden">{has ? t.perm.yes : t.perm.no}</span>
                        </td>
                      );
                    })}
                  </tr>
                ))}
              </tbody>
            </table>
          </>
        );
      }}
    </Load>
  );
}
