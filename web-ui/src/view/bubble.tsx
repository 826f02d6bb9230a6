// What is said where something that is dragged hovers: whether it fits, and all that is in the way.
import { t } from "../text/en.ts";
import { type Verdict, dragged } from "./drag.ts";

const SHOWN = 8;
const WIDTH = 380;
const glyphs: Record<Verdict, string> = { looking: "…", fits: "✓", warns: "▲", refused: "✕" };

/** Read out, too: it is there before anything is said in it. */
export function Bubble() {
  const d = dragged.value;
  if (!d?.text) return <div class="bubble hidden" role="status" />;
  const place = { left: `${Math.max(4, Math.min(d.x + 16, window.innerWidth - WIDTH))}px`, top: `${d.y + 18}px` };
  return (
    <div class={`bubble ${d.verdict}`} role="status" style={place}>
      <p>
        <span aria-hidden="true">{glyphs[d.verdict]}</span> {d.text}
      </p>
      {d.notes.length > 0 && (
        <ul>
          {d.notes.slice(0, SHOWN).map((n) => (
            <li key={n}>{n}</li>
          ))}
          {d.notes.length > SHOWN && <li>{t.drop.more(d.notes.length - SHOWN)}</li>}
        </ul>
      )}
    </div>
  );
}
