// Accounts, what their roles may do, tokens of programs, and who is logged in.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { call } from "../net/api.ts";
import type { Obj } from "../net/types.ts";
import { type Account, type RoleName, accounts, lookAtAccounts } from "../store/accounts.ts";
import { actions } from "../store/actions.ts";
import { commands } from "../store/commands.ts";
import { begin } from "../store/dialogs.ts";
import { href, route } from "../store/route.ts";
import { may, session } from "../store/session.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Failed, Load } from "../ui/load.tsx";
import { moment } from "../ui/text.ts";
import { type Field, Form } from "./form.tsx";
import { Roles } from "./roles.tsx";

const LEAST_PASSWORD = 8;

/** Moves with each change that was made here: what the watch does not tell is looked at again. */
const changes = (): number => commands.value[0]?.id ?? 0;

const roleOptions = (roles: RoleName[]): [string, string][] => roles.map((r) => [r, t.app.role[r]]);
const ranks: RoleName[] = ["read_only", "operator", "administrator"];

/** Shown at once; what the server refuses is shown again as it is. */
function change(a: Account, body: Partial<Account>): void {
  accounts.value = accounts.value.map((x) => (x.id === a.id ? { ...x, ...body } : x));
  call("PATCH", `/users/${a.id}`, body).catch((e: Error) => {
    say("error", `${a.name}: ${e.message}`);
    lookAtAccounts().catch(() => undefined); // whoever looks next is told why
  });
}

const password: Field = {
  name: "password",
  label: t.login.password,
  type: "password",
  required: true,
  help: t.admin.least(LEAST_PASSWORD),
};

function NewAccount({ onClose }: { onClose: () => void }) {
  return (
    <Form
      title={t.perm.add.replace("…", "")}
      fields={[
        { name: "name", label: t.list.name, type: "text", required: true },
        password,
        { name: "role", label: t.perm.role, type: "choice", options: roleOptions(ranks) },
      ]}
      object={null}
      initial={{ role: "read_only" }}
      submit={t.form.create}
      request={(body) => ({ method: "POST", path: "/users", body })}
      onClose={onClose}
    />
  );
}

function NewPassword({ account, onClose }: { account: Account; onClose: () => void }) {
  return (
    <Form
      title={`${t.admin.password.replace("…", "")}: ${account.name}`}
      fields={[password]}
      object={null}
      submit={t.form.save}
      request={(body) => ({ method: "PATCH", path: `/users/${account.id}`, body })}
      onClose={onClose}
    />
  );
}

function OwnPassword({ onClose }: { onClose: () => void }) {
  return (
    <Form
      title={t.admin.own.replace("…", "")}
      fields={[
        { name: "old", label: t.admin.old, type: "password", required: true },
        { name: "new", label: t.admin.fresh, type: "password", required: true, help: t.admin.least(LEAST_PASSWORD) },
      ]}
      object={null}
      submit={t.form.save}
      request={(body) => ({ method: "POST", path: "/users/current/password", body })}
      onClose={onClose}
    />
  );
}

function AccountRow({ account: a, onPassword }: { account: Account; onPassword: () => void }) {
  const removal = actions.find((x) => x.kind === "user" && x.id === "remove");
  return (
    <tr data-user={a.name}>
      <td>{a.name}</td>
      <td>
        <select aria-label={t.admin.roleOf(a.name)} value={a.role} onChange={(e) => change(a, { role: e.currentTarget.value as RoleName })}>
          {roleOptions(ranks).map(([id, title]) => (
            <option key={id} value={id}>
              {title}
            </option>
          ))}
        </select>
      </td>
      <td>
        <input
          type="checkbox"
          aria-label={t.admin.mayLogIn(a.name)}
          checked={a.enabled}
          onChange={(e) => change(a, { enabled: e.currentTarget.checked })}
        />
      </td>
      <td>{moment(a.last_login)}</td>
      <td>
        <button type="button" class="small" aria-label={`${t.admin.password} ${a.name}`} onClick={onPassword}>
          {t.admin.password}
        </button>{" "}
        {removal && (
          <button type="button" class="small" aria-label={`${removal.title} ${a.name}`} onClick={() => begin(removal, [a])}>
            {removal.title}
          </button>
        )}
      </td>
    </tr>
  );
}

function Accounts() {
  const failed = useSignal<Error | null>(null);
  const dialog = useSignal<"" | "new" | Account>("");
  const look = (): void => {
    failed.value = null;
    lookAtAccounts().catch((e: Error) => (failed.value = e));
  };
  useEffect(look, [changes()]);
  if (failed.value) return <Failed error={failed.value} retry={look} />;
  const close = (): void => {
    dialog.value = "";
  };
  return (
    <>
      <div class="bar-top">
        <span class="dim">{t.perm.here}</span>
        <span class="grow" />
        <button type="button" class="primary" onClick={() => (dialog.value = "new")}>
          {t.perm.add}
        </button>
      </div>
      <table>
        <thead>
          <tr>
            <th>{t.perm.user}</th>
            <th>{t.perm.role}</th>
            <th>{t.perm.enabled}</th>
            <th>{t.perm.last}</th>
            <th>
              <span class="hidden">{t.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {accounts.value.map((a) => (
            <AccountRow key={a.id} account={a} onPassword={() => (dialog.value = a)} />
          ))}
        </tbody>
      </table>
      {dialog.value === "new" && <NewAccount onClose={close} />}
      {typeof dialog.value === "object" && <NewPassword account={dialog.value} onClose={close} />}
    </>
  );
}

interface Session extends Obj {
  user_name: string;
  address: string;
  role: RoleName;
  seen_at: string | null;
  expires_at: string | null;
  current: boolean;
}

const revoke = (path: string, name: string): void => {
  call("DELETE", path).catch((e: Error) => say("error", `${name}: ${e.message}`));
};

function Ends({ list, head, cells, path }: { list: Session[]; head: string[]; cells: (s: Session) => ComponentChildren[]; path: string }) {
  if (!list.length) return <p class="empty">{t.list.none}</p>;
  return (
    <table>
      <thead>
        <tr>
          {head.map((h) => (
            <th key={h}>{h}</th>
          ))}
          <th>
            <span class="hidden">{t.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {list.map((s) => (
          <tr key={s.id}>
            {cells(s).map((c, i) => (
              <td key={head[i]}>{c}</td>
            ))}
            <td>
              {s.current ? (
                <span class="dim">{t.admin.current}</span>
              ) : (
                <button
                  type="button"
                  class="small"
                  aria-label={`${t.admin.revoke} ${s.name ?? s.user_name}`}
                  onClick={() => revoke(`${path}/${s.id}`, s.name ?? s.user_name)}
                >
                  {t.admin.revoke}
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Sessions() {
  return (
    <Load<{ items: Session[] }> path="/sessions" again={changes()}>
      {({ items }) => (
        <Ends
          list={items}
          path="/sessions"
          head={[t.perm.user, t.perm.role, t.list.address, t.admin.since, t.admin.seen]}
          cells={(s) => [s.user_name, t.app.role[s.role], <span class="mono">{s.address}</span>, moment(s.created_at), moment(s.seen_at)]}
        />
      )}
    </Load>
  );
}

/** Shown once: the server keeps no more than what tells it again. */
function Made({ token, onClose }: { token: string; onClose: () => void }) {
  return (
    <Dialog title={t.admin.made} onClose={onClose}>
      <p>{t.admin.once}</p>
      <pre class="code" data-token="">
        {token}
      </pre>
      <div class="buttons">
        <button type="button" onClick={() => void navigator.clipboard.writeText(token).then(() => say("info", t.dock.copied))}>
          {t.dock.copy}
        </button>
        <button type="button" class="primary" onClick={onClose}>
          {t.form.close}
        </button>
      </div>
    </Dialog>
  );
}

function Tokens() {
  const asking = useSignal(false);
  const made = useSignal("");
  const mine = session.value?.role ?? "read_only";
  const roles: RoleName[] = ["metrics", ...ranks.slice(0, ranks.indexOf(mine) + 1)];
  return (
    <>
      <div class="bar-top">
        <span class="dim">{t.admin.tokens}</span>
        <span class="grow" />
        <button type="button" class="primary" onClick={() => (asking.value = true)}>
          {t.admin.newToken}
        </button>
      </div>
      <Load<{ items: Session[] }> path="/tokens" again={changes()}>
        {({ items }) => (
          <Ends
            list={items}
            path="/tokens"
            head={[t.list.name, t.perm.role, t.admin.since, t.admin.until]}
            cells={(s) => [s.name, t.app.role[s.role], moment(s.created_at), moment(s.expires_at)]}
          />
        )}
      </Load>
      {asking.value && (
        <Form
          title={t.admin.newToken.replace("…", "")}
          fields={[
            { name: "name", label: t.admin.what, type: "text", required: true },
            { name: "days", label: t.admin.days, type: "number", min: 1, max: 3650, required: true },
            { name: "role", label: t.admin.most, type: "choice", options: roleOptions(roles) },
          ]}
          object={null}
          initial={{ days: 90, role: mine }}
          submit={t.form.create}
          request={(body) => ({ method: "POST", path: "/tokens", body })}
          onClose={() => (asking.value = false)}
          onDone={(a) => (made.value = (a as { token: string }).token)}
        />
      )}
      {made.value && <Made token={made.value} onClose={() => (made.value = "")} />}
    </>
  );
}

const parts = { accounts: Accounts, roles: Roles, tokens: Tokens, sessions: Sessions };
type Part = keyof typeof parts;
const forAll: Part[] = ["roles", "tokens"];

export default function Admin() {
  const dialog = useSignal(false);
  const allowed = (Object.keys(parts) as Part[]).filter((p) => may("administrator") || forAll.includes(p));
  const now = allowed.find((p) => p === route.value.tab) ?? allowed[0] ?? "roles";
  const Shown = parts[now];
  const mine = session.value?.role ?? "read_only";
  return (
    <>
      <div class="bar-top">
        <span>
          {t.perm.mine(t.app.role[mine])} <span class="dim">({t.perm.rights[mine]})</span>
        </span>
        <button type="button" onClick={() => (dialog.value = true)}>
          {t.admin.own}
        </button>
      </div>
      <div class="tabs" role="tablist" aria-label={t.pages.users}>
        {allowed.map((p) => (
          <a key={p} role="tab" href={href("users", p)} aria-selected={p === now}>
            {t.admin.parts[p]}
          </a>
        ))}
      </div>
      <div class="scroll framed" role="group" tabIndex={0} aria-label={t.admin.parts[now]}>
        <Shown />
      </div>
      {dialog.value && <OwnPassword onClose={() => (dialog.value = false)} />}
    </>
  );
}
