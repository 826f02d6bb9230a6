// Why a move is recommended: every number that spoke for it and against it.
import type { Move } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";

const pct = (n: number): string => `${(100 * n).toFixed(1)} %`;
const signed = (n: number): string => `${n > 0 ? "+" : ""}${Math.round(n).toLocaleString("en")}`;

function Line({ name, before, after }: { name: string; before: number; after: number }) {
  const d = after - before;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td class="num">{pct(before)}</td>
      <td class="num">{pct(after)}</td>
      <td class={`num ${d < 0 ? "ok" : d > 0 ? "warn" : ""}`}>
        {d < 0 ? "▾" : d > 0 ? "▴" : ""} {pct(Math.abs(d))}
      </td>
    </tr>
  );
}

/** Benefit, risk and cost as bars from one zero line, and what is left. */
function Waterfall({ rows }: { rows: [string, number][] }) {
  const most = Math.max(1, ...rows.map(([, n]) => Math.abs(n)));
  return (
    <table class="waterfall">
      <tbody>
        {rows.map(([name, n]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="num">
              {signed(n)} {t.why.unit}
            </td>
            <td class="span" aria-hidden="true">
              <span
                class={n < 0 ? "minus" : "plus"}
                style={{ width: `${(50 * Math.abs(n)) / most}%`, [n < 0 ? "right" : "left"]: "50%" }}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Why({ move }: { move: Move }) {
  const f = move.factors;
  if (!f) return <p>{move.text}</p>;
  const from = inventory.name(move.from_host);
  const to = inventory.name(move.to_host);
  return (
    <div class="why">
      <p>{move.text}</p>
      <table>
        <thead>
          <tr>
            <th>{t.why.factor}</th>
            <th class="num">{t.why.before}</th>
            <th class="num">{t.why.after}</th>
            <th class="num">{t.why.change}</th>
          </tr>
        </thead>
        <tbody>
          <Line name={t.why.cpuLoad(from)} before={f.from_load.cpu_before} after={f.from_load.cpu_after} />
          <Line name={t.why.cpuLoad(to)} before={f.to_load.cpu_before} after={f.to_load.cpu_after} />
          <Line name={t.why.memLoad(from)} before={f.from_load.memory_before} after={f.from_load.memory_after} />
          <Line name={t.why.memLoad(to)} before={f.to_load.memory_before} after={f.to_load.memory_after} />
          <Line name={t.why.devCpu} before={f.imbalance_before.cpu} after={f.imbalance_after.cpu} />
          <Line name={t.why.devMem} before={f.imbalance_before.memory} after={f.imbalance_after.memory} />
        </tbody>
      </table>
      <Waterfall
        rows={[
          [t.why.benefit, f.benefit_mhz_s],
          [t.why.risk, f.risk_mhz_s],
          [t.why.cost, -f.cost_mhz_s],
          [t.why.net, f.net_benefit_mhz_s],
        ]}
      />
      <p class="dim">
        {t.why.copy} {f.copy_s.toFixed(1)} s, {t.why.pause.toLowerCase()} {f.pause_s.toFixed(2)} s. {t.why.rules}:{" "}
        {f.rules.join(", ") || t.why.noRules}.{f.company ? ` ${t.why.together} ${f.company}.` : ""}
      </p>
      {f.alternatives.length > 0 && (
        <>
          <h3>{t.why.alternatives}</h3>
          <table>
            <thead>
              <tr>
                <th>{t.why.host}</th>
                <th>{t.why.against}</th>
              </tr>
            </thead>
            <tbody>
              {f.alternatives.map((a) => (
                <tr key={a.host}>
                  <td>{a.host_name}</td>
                  <td class="wrap">{a.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </div>
  );
}
