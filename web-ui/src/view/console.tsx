// A guest's console: the screen or the serial line of a machine, a terminal inside a container.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Screen } from "../console/screen.ts";
import type { Vm } from "../net/types.ts";
import { route, setQuery } from "../store/route.ts";
import { mayOperate } from "../store/session.ts";
import { t } from "../text/en.ts";

type State = { open: boolean; why: string | null };

const shown: Vm["power_state"][] = ["powered_on", "paused", "stalled"];

function Ended({ why, again }: { why: string; again: () => void }) {
  return (
    <div class="console-end" role="alert">
      <p>{why ? t.console.broke(why) : t.console.ended}</p>
      <button type="button" onClick={again}>
        {t.console.again}
      </button>
    </div>
  );
}

function ScreenView({ vm, again }: { vm: Vm; again: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen | null>(null);
  const state = useSignal<State>({ open: false, why: null });

  useEffect(() => {
    let left = false;
    const end = (why: string): void => {
      if (!left) state.value = { open: false, why };
    };
    import("../console/screen.ts")
      .then(({ showScreen }) => (left || !place.current ? null : showScreen(vm.id, place.current, end)))
      .then((s) => {
        if (left) s?.close();
        else if (s) {
          screen.current = s;
          state.value = { open: true, why: state.value.why };
        }
      })
      .catch((e: Error) => end(e.message));
    return () => {
      left = true;
      screen.current?.close();
    };
  }, [vm.id]);

  return (
    <>
      <div class="console-bar">
        <button type="button" disabled={!state.value.open} onClick={() => screen.current?.ctrlAltDel()}>
          Ctrl-Alt-Del
        </button>
        <button type="button" onClick={() => void place.current?.requestFullscreen()}>
          {t.console.full}
        </button>
      </div>
      {state.value.why !== null && <Ended why={state.value.why} again={again} />}
      <div class="console" ref={place} role="group" aria-label={t.console.screenOf(vm.name)} />
    </>
  );
}

function TerminalView({ vm, what, again }: { vm: Vm; what: "program" | "serial"; again: () => void }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const why = useSignal<string | null>(null);

  useEffect(() => {
    const hear = (e: MessageEvent): void => {
      const m = e.data as { drover?: string; state?: string; why?: string };
      if (e.origin !== location.origin || e.source !== frame.current?.contentWindow || m.drover !== "terminal") return;
      if (m.state === "open") frame.current?.contentWindow?.focus();
      else why.value = m.why ?? "";
    };
    window.addEventListener("message", hear);
    return () => window.removeEventListener("message", hear);
  }, [vm.id]);

  return (
    <>
      {why.value !== null && <Ended why={why.value} again={again} />}
      <iframe class="console" ref={frame} src={`/terminal.html#${vm.id}/${what}`} title={t.console.terminalOf(vm.name)} />
    </>
  );
}

export function Console({ vm }: { vm: Vm }) {
  const round = useSignal(0);
  const isContainer = vm.guest_type === "container";
  const serial = route.value.query.get("console") === "serial";
  const again = (): void => {
    round.value++;
  };
  if (!mayOperate()) return <p class="empty">{t.console.operators}</p>;
  if (!(isContainer ? vm.power_state === "powered_on" : shown.includes(vm.power_state))) return <p class="empty">{t.console.off}</p>;
  const key = `${vm.id}/${serial}/${round.value}`;
  return (
    <div class="console-tab">
      {!isContainer && (
        <div class="console-bar" role="group" aria-label={t.tab.console ?? ""}>
          <button type="button" aria-pressed={!serial} onClick={() => setQuery("console", "")}>
            {t.console.screen}
          </button>
          <button type="button" aria-pressed={serial} onClick={() => setQuery("console", "serial")}>
            {t.console.serial}
          </button>
        </div>
      )}
      {isContainer ? (
        <TerminalView key={key} vm={vm} what="program" again={again} />
      ) : serial ? (
        <TerminalView key={key} vm={vm} what="serial" again={again} />
      ) : (
        <ScreenView key={key} vm={vm} again={again} />
      )}
    </div>
  );
}
