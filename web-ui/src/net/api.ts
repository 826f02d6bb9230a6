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

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (method !== "GET") {
    headers["X-Drover-Csrf"] = csrf;
    headers["X-Drover-Op"] = crypto.randomUUID();
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
  if (!res.ok) throw await readFault(res);
  return (await res.json()) as T;
}

export const login = (user: string, password: string) =>
  call<Session>("POST", "/sessions", { user, password });
export const currentSession = () => call<Session>("GET", "/sessions/current");
export const logout = () => call<object>("DELETE", "/sessions/current");
