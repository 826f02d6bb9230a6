// Who may log in, as administrators are told when they ask: the watch does not tell it.
import { signal } from "@preact/signals";
import { call } from "../net/api.ts";
import type { Obj } from "../net/types.ts";

export type RoleName = "metrics" | "read_only" | "operator" | "administrator";

export interface Account extends Obj {
  role: RoleName;
  enabled: boolean;
  last_login: string | null;
}

/** As of the last look. */
export const accounts = signal<Account[]>([]);

export async function lookAtAccounts(): Promise<void> {
  accounts.value = (await call<{ items: Account[] }>("GET", "/users?limit=1000")).items;
}
