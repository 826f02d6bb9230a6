// A bar for what is used of what there is, with marks of what is reserved and where the limit is.
export function Bar({
  label,
  part,
  whole,
  text,
  reserved,
  hot = 0.9,
}: {
  label: string;
  part: number;
  whole: number;
  text: string;
  reserved?: number;
  hot?: number;
}) {
  const pct = (n: number): number => (whole > 0 ? Math.min(100, (100 * n) / whole) : 0);
  return (
    <div class="meter">
      <span class="dim">{label}</span>
      <span class="bar" role="img" aria-label={`${label}: ${text}`}>
        <span class={whole > 0 && part / whole > hot ? "fill hot" : "fill"} style={{ width: `${pct(part)}%` }} />
        {reserved ? <span class="mark" style={{ left: `${pct(reserved)}%` }} /> : null}
      </span>
      <span class="num">{text}</span>
    </div>
  );
}
