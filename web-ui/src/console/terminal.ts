// The document that terminal.html is: xterm.js makes style elements, which the other pages may not. Its
// address says which guest, and what of it: #vm-1/program or #vm-1/serial.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import "./terminal.css";
import { currentSession, useCsrf } from "../net/api.ts";
import { type GuestSocket, enter } from "./socket.ts";

const [vm = "", what = "program"] = location.hash.slice(1).split("/");
const place = document.getElementById("terminal") as HTMLElement;
const term = new Terminal({ cursorBlink: true, fontSize: 14, scrollback: 5000, screenReaderMode: true });
const fit = new FitAddon();
let socket: GuestSocket | null = null;

/** The frame around us says how it ended, and offers to begin again. */
function tell(state: "open" | "ended", why = ""): void {
  parent.postMessage({ drover: "terminal", state, why }, location.origin);
}

async function begin(): Promise<void> {
  useCsrf((await currentSession()).csrf);
  const start = what === "serial" ? { what } : { what, tty: true, rows: term.rows, columns: term.cols };
  socket = await enter(vm, start, {
    started: () => tell("open"),
    data: (bytes) => term.write(bytes),
    ended: (why) => {
      term.options.cursorBlink = false;
      term.options.disableStdin = true;
      tell("ended", why);
    },
  });
}

term.loadAddon(fit);
term.open(place);
fit.fit();
term.onData((text) => socket?.send(new TextEncoder().encode(text)));
term.onBinary((text) => socket?.send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
if (what === "program") term.onResize(({ rows, cols }) => socket?.size(rows, cols));
new ResizeObserver(() => fit.fit()).observe(place);
window.addEventListener("focus", () => term.focus());
begin().catch((e: Error) => tell("ended", e.message));
