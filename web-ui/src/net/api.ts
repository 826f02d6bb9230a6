// Calls of the REST API. A refusal is an ApiError with the server's own words.
import type { Obj, Session } from "./types.ts";

/** What came between: who changed which fields of an object since a revision, and what it is now. */
export interface Changed {
  changes: { rev: number; at: string; user: string; fields: string[] }[];
  object: Obj;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string,
    readonly changed: Changed | null = null,
  ) {
    super(message);
  }
}

interface Fault extends Partial<Changed> {
  // leader: whom a server names that does not lead.
  error?: { code?: string; message?: string; request_id?: string; leader?: string | null };
}

let csrf = "";
let onChange: (method: string, path: string, body: unknown, answer: unknown) => void = () => undefined;
let onExpired: (why: string) => Promise<boolean> = async () => false;
let onDenied: () => Promise<boolean> = async () => false;
let onWay: (changes: Change[]) => void = () => undefined;

/** A change that was sent and not answered yet. */
export interface Change {
  method: string;
  path: string;
  body: unknown;
}

const underWay = new Map<string, Change & { answer: Promise<unknown> }>();

/**
 * Tells of each change that the server took, of the end of the session and that one may less than one thought
 * (true: it may be tried again at once), and which changes are still to be answered.
 */
export function listen(change: typeof onChange, expired: typeof onExpired, denied: typeof onDenied, way: typeof onWay): void {
  onChange = change;
  onExpired = expired;
  onDenied = denied;
  onWay = way;
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
    body.changes && body.object ? { changes: body.changes, object: body.object } : null,
  );
}

/** Coming and going change nothing that others see. */
export const isLogin = (path: string): boolean => /^\/sessions(\/current)?$/.test(path);

export interface Terms {
  /** The same for each try of one change, so that one that got through unseen is not made twice. */
  op?: string;
  /** Refused (412) if the object is not any more as people had set it at this revision. */
  rev?: number;
}

/** Who asks for a change once more while its answer is still to come means that one. */
export function call<T>(method: string, path: string, body?: unknown, terms: Terms = {}): Promise<T> {
  if (method === "GET") return send<T>(method, path, body, terms);
  const key = `${method} ${path} ${JSON.stringify(body)}`;
  const same = underWay.get(key);
  if (same) return same.answer as Promise<T>;
  const answer = send<T>(method, path, body, terms).finally(() => {
    underWay.delete(key);
    onWay([...underWay.values()]);
  });
  underWay.set(key, { method, path, body, answer });
  onWay([...underWay.values()]);
  return answer;
}

async function send<T>(method: string, path: string, body: unknown, terms: Terms): Promise<T> {
  const op = terms.op ?? crypto.randomUUID();
  const used = csrf;
  let res = await ask(method, path, body, { ...terms, op });
  if (!res.ok) {
    const fault = await readFault(res);
    const ended = res.status === 401 && !path.startsWith("/sessions") && (await onExpired(fault.message));
    const denied = res.status === 403 && (await onDenied());
    if (!ended && !denied && used === csrf) throw fault;
    res = await ask(method, path, body, { ...terms, op });
    if (!res.ok) throw await readFault(res);
  }
  const answer = (await res.json()) as T;
  if (method !== "GET" && !isLogin(path)) onChange(method, path, body, answer);
  return answer;
}

async function ask(method: string, path: string, body: unknown, terms: Terms): Promise<Response> {
  const headers: Record<string, string> = {};
  if (method !== "GET") {
    headers["X-Drover-Csrf"] = csrf;
    headers["X-Drover-Op"] = terms.op ?? "";
    if (terms.rev) headers["If-Match"] = `"${terms.rev}"`;
  }
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, "lost", "the server cannot be reached", "");
  }
}

export const login = (user: string, password: string) => call<Session>("POST", "/sessions", { user, password });
export const currentSession = () => call<Session>("GET", "/sessions/current");
export const logout = () => call<object>("DELETE", "/sessions/current");
