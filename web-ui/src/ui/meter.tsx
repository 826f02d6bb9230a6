export function Meter({ label, part, whole, text }: { label: string; part: number; whole: number; text: string }) {
  const pct = whole > 0 ? Math.min(100, (100 * part) / whole) : 0;
  return (
    <div class="meter">
      <span class="dim">{label}</span>
      <span class="bar" role="img" aria-label={`${label} ${text}`}>
        <span class={pct > 90 ? "fill hot" : "fill"} style={{ width: `${pct}%` }} />
      </span>
      <span class="num">{text}</span>
    </div>
  );
}
