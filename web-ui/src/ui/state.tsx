import type { Host, Obj, Vm } from "../net/types.ts";
import { t } from "../text/en.ts";

export interface Look {
  glyph: string;
  tone: string;
  text: string;
}

/** Shape, colour and text: no state is told by colour alone. */
const powers: Record<Vm["power_state"], [glyph: string, tone: string, text: string]> = {
  powered_on: ["▶", "ok", t.power.powered_on],
  starting: ["◔", "busy", t.power.starting],
  powered_off: ["■", "off", t.power.powered_off],
  paused: ["‖", "warn", t.power.paused],
  stalled: ["▲", "bad", t.power.stalled],
  suspended: ["◗", "warn", t.power.suspended],
  unknown: ["?", "bad", t.power.unknown],
};

function hostLook(h: Host): Look {
  if (h.standby === "in" || h.standby === "entering") return { glyph: "☾", tone: "off", text: t.host.standby };
  if (h.standby === "waking") return { glyph: "◔", tone: "busy", text: t.host.waking };
  if (h.connection_state !== "connected") return { glyph: "▲", tone: "bad", text: t.host[h.connection_state] };
  if (h.maintenance === "in") return { glyph: "◆", tone: "warn", text: t.host.maintenance };
  if (h.maintenance === "entering") return { glyph: "◔", tone: "busy", text: t.host.entering };
  return { glyph: "●", tone: "ok", text: t.host.connected };
}

export function lookOf(o: Obj): Look | null {
  if (o.kind === "vm") {
    const vm = o as Vm;
    const [glyph, tone, text] = powers[vm.power_state];
    return vm.lifecycle === "ready" ? { glyph, tone, text } : { glyph: "◔", tone: "busy", text: vm.lifecycle };
  }
  if (o.kind === "host") return hostLook(o as Host);
  if (o.kind === "datastore" && (o as unknown as { accessible: boolean }).accessible === false)
    return { glyph: "▲", tone: "bad", text: t.store.unreachable };
  return null;
}

export function State({ object }: { object: Obj }) {
  const look = lookOf(object);
  if (!look) return null;
  const why = (object as Partial<Vm>).power_reason ?? (object as Partial<Host>).state_reason ?? "";
  return (
    <span class={`state ${look.tone}`} title={why}>
      <span aria-hidden="true">{look.glyph}</span> {look.text}
    </span>
  );
}
