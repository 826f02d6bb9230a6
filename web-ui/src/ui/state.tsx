import type { Vm } from "../net/types.ts";

/** Shape, colour and text: no state is told by colour alone. */
const looks: Record<Vm["power_state"], [glyph: string, tone: string, text: string]> = {
  powered_on: ["▶", "ok", "Powered on"],
  starting: ["◔", "busy", "Starting"],
  powered_off: ["■", "off", "Powered off"],
  paused: ["‖", "warn", "Paused"],
  stalled: ["▲", "bad", "Stalled"],
  suspended: ["◗", "warn", "Suspended"],
  unknown: ["?", "bad", "Unknown"],
};

export function VmState({ vm }: { vm: Vm }) {
  const [glyph, tone, text] = looks[vm.power_state];
  const shown = vm.lifecycle === "ready" ? text : vm.lifecycle;
  return (
    <span class={`state ${tone}`} title={vm.power_reason ?? ""}>
      <span aria-hidden="true">{glyph}</span> {shown}
    </span>
  );
}
