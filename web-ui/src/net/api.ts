// Calls of the REST API. A refusal is an ApiError with the server's own words.
import type { Session } from "./types.ts";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string,
  ) {
    super(message);
  }
}

interface Fault {
  // leader: whom a server names that does not lead.
  error?: { code?: string; message?: string; request_id?: string; leader?: string | null };
}

let csrf = "";
let onChange: (method: string, path: string, body: unknown, answer: unknown) => void = () => undefined;
let onExpired: (why: string) => void = () => undefined;
let onDenied: () => void = () => undefined;

/** Tells of each change that the server took, of the end of the session, and that one may less than one thought. */
export function listen(change: typeof onChange, expired: typeof onExpired, denied: typeof onDenied): void {
  onChange = change;
  onExpired = expired;
  onDenied = denied;
}

export function useCsrf(word: string): void {
  csrf = word;
}

async function readFault(res: Response): Promise<ApiError> {
  const body = (await res.json().catch(() => ({}))) as Fault;
  if (body.error?.leader) {
    location.replace(`https://${body.error.leader}${location.pathname}${location.search}${location.hash}`);
  }
  return new ApiError(
    res.status,
    body.error?.code ?? "internal",
    body.error?.message ?? `the server answered ${res.status}`,
    body.error?.request_id ?? "",
  );
}

/** op: the same for each try of one change, so that one that got through unseen is not made twice. */
export async function call<T>(method: string, path: string, body?: unknown, op: string = crypto.randomUUID()): Promise<T> {
  const headers: Record<string, string> = {};
  if (method !== "GET") {
    headers["X-Drover-Csrf"] = csrf;
    headers["X-Drover-Op"] = op;
  }
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let res: Response;
  try {
    res = await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, "lost", "the server cannot be reached", "");
  }
  if (!res.ok) {
    const fault = await readFault(res);
    if (res.status === 401 && !path.startsWith("/sessions")) onExpired(fault.message);
    if (res.status === 403) onDenied();
    throw fault;
  }
  const answer = (await res.json()) as T;
  if (method !== "GET" && !path.startsWith("/sessions")) onChange(method, path, body, answer);
  return answer;
}

export const login = (user: string, password: string) => call<Session>("POST", "/sessions", { user, password });
export const currentSession = () => call<Session>("GET", "/sessions/current");
export const logout = () => call<object>("DELETE", "/sessions/current");
