// A machine's screen by noVNC, which is given our socket in place of its own.
import RFB from "@novnc/novnc";
import { type GuestSocket, enter } from "./socket.ts";

/** What noVNC wants of a channel, on top of a session with the guest. */
class Channel {
  binaryType = "arraybuffer";
  protocol = "";
  readyState = "connecting";
  onopen: (() => void) | null = null;
  onmessage: ((e: { data: ArrayBuffer }) => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: ((e: { code: number; reason: string }) => void) | null = null;
  socket: GuestSocket | null = null;

  send(data: ArrayBufferView): void {
    this.socket?.send(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  close(): void {
    this.readyState = "closed";
    this.socket?.close();
    queueMicrotask(() => this.onclose?.({ code: 1000, reason: "" }));
  }
}

export interface Screen {
  ctrlAltDel(): void;
  close(): void;
}

/** Draw it into place until it ends. why: empty when the machine ended by itself. */
export async function showScreen(vm: string, place: HTMLElement, ended: (why: string) => void): Promise<Screen> {
  const channel = new Channel();
  channel.socket = await enter(
    vm,
    { what: "screen" },
    {
      started: () => {
        channel.readyState = "open";
        channel.onopen?.();
      },
      data: (bytes) => channel.onmessage?.({ data: bytes.slice().buffer }),
      ended: (why) => {
        channel.readyState = "closed";
        channel.onclose?.({ code: 1000, reason: why });
        ended(why);
      },
    },
  );
  const rfb = new RFB(place, channel, { shared: true });
  rfb.scaleViewport = true;
  rfb.focusOnClick = true;
  rfb.background = "transparent";
  return {
    ctrlAltDel: () => rfb.sendCtrlAltDel(),
    close: () => rfb.disconnect(),
  };
}
