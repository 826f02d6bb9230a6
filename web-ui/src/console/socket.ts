// One socket into a guest: drover.session.v1 of docs/api.md. What is sent waits for the credit that the
// guest's end gives.
import { call } from "../net/api.ts";

export type What = "program" | "screen" | "serial";

export interface End {
  exit_code?: number;
  signal?: number;
  error?: { code: string; message: string };
}

interface Message extends End {
  type: "started" | "credit" | "end" | "ping";
  bytes?: number;
}

export interface Ears {
  started(): void;
  /** What the guest says. */
  data(bytes: Uint8Array): void;
  /** Once, the last. why: empty when it ended by itself. */
  ended(why: string): void;
}

/** The parts of a WebSocket that are used; a test has its own. */
export interface Wire {
  binaryType: string;
  send(data: string | ArrayBufferView<ArrayBuffer>): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((e: { data: unknown }) => void) | null;
  onclose: ((e: { reason: string }) => void) | null;
}

const INPUT = 0;

export class GuestSocket {
  private credit = 0;
  private waiting: Uint8Array[] = [];
  private over = false;

  constructor(
    private readonly wire: Wire,
    start: Record<string, unknown>,
    private readonly ears: Ears,
  ) {
    wire.binaryType = "arraybuffer";
    wire.onopen = () => wire.send(JSON.stringify({ type: "start", ...start }));
    wire.onmessage = (e) => {
      if (typeof e.data === "string") this.hear(JSON.parse(e.data) as Message);
      else this.ears.data(new Uint8Array(e.data as ArrayBuffer, 1));
    };
    wire.onclose = (e) => this.end(e.reason || "the connection was lost");
  }

  private hear(m: Message): void {
    if (m.type === "started") this.ears.started();
    if (m.type === "credit") {
      this.credit += m.bytes ?? 0;
      this.flush();
    }
    if (m.type === "end") this.end(m.error?.message ?? "");
  }

  private end(why: string): void {
    if (this.over) return;
    this.over = true;
    this.waiting = [];
    this.ears.ended(why);
  }

  private flush(): void {
    let next = this.waiting[0];
    while (next && this.credit && !this.over) {
      const n = Math.min(this.credit, next.length, 8192);
      const frame = new Uint8Array(n + 1);
      frame[0] = INPUT;
      frame.set(next.subarray(0, n), 1);
      this.wire.send(frame);
      this.credit -= n;
      if (n === next.length) this.waiting.shift();
      else this.waiting[0] = next.subarray(n);
      next = this.waiting[0];
    }
  }

  /** To the guest, as soon as it takes it. */
  send(bytes: Uint8Array): void {
    if (this.over || !bytes.length) return;
    this.waiting.push(bytes.slice());
    this.flush();
  }

  size(rows: number, columns: number): void {
    if (!this.over) this.wire.send(JSON.stringify({ type: "size", rows, columns }));
  }

  /** Nobody listens any more. */
  close(): void {
    this.over = true;
    this.wire.close();
  }
}

/** With a ticket that is good for this one socket. */
export async function enter(vm: string, start: Record<string, unknown>, ears: Ears): Promise<GuestSocket> {
  const { ticket } = await call<{ ticket: string }>("POST", `/vms/${vm}/ticket`);
  const url = `wss://${location.host}/api/v1/vms/${vm}/enter?ticket=${ticket}`;
  return new GuestSocket(new WebSocket(url, "drover.session.v1") as unknown as Wire, start, ears);
}
