// Balancing: what is recommended, why, and what would be.
import { useSignal } from "@preact/signals";
import { call } from "../net/api.ts";
import type { Cluster, Move, Plan, Recommendation } from "../net/types.ts";
import { drsScore } from "../store/balance.ts";
import { inventory } from "../store/collection.ts";
import { mayOperate } from "../store/session.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { Bar } from "../ui/bars.tsx";
import { Ref } from "./columns.tsx";
import { Why } from "./why.tsx";

const HISTORY = 20;

function decide(rec: Recommendation, word: "apply" | "dismiss"): Promise<unknown> {
  return call("POST", `/recommendations/${rec.id}/${word}`, {}).catch((e: Error) => say("error", `${rec.name}: ${e.message}`));
}

function MoveRow({ move, rec }: { move: Move; rec?: Recommendation }) {
  const open = useSignal(false);
  return (
    <>
      <tr>
        <td>
          <button type="button" class="plain" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
            {open.value ? "▾" : "▸"} {move.name}
          </button>
        </td>
        <td>
          <Ref id={move.from_host} /> → <Ref id={move.to_host} />
        </td>
        <td class="num">{move.priority ?? ""}</td>
        <td>{move.reason}</td>
        <td>
          {rec && rec.state !== "pending" && (
            <span class={rec.state === "failed" ? "bad" : "dim"}>
              {rec.state} {rec.note}
            </span>
          )}
          {rec?.state === "pending" && mayOperate() && (
            <>
              <button
                type="button"
                class="small primary"
                aria-label={`${t.cluster.apply}: ${move.name}`}
                onClick={() => void decide(rec, "apply")}
              >
                {t.cluster.apply}
              </button>{" "}
              <button
                type="button"
                class="small"
                aria-label={`${t.cluster.dismiss}: ${move.name}`}
                onClick={() => void decide(rec, "dismiss")}
              >
                {t.cluster.dismiss}
              </button>
            </>
          )}
        </td>
      </tr>
      {open.value && (
        <tr>
          <td colSpan={5}>
            <Why move={move} />
          </td>
        </tr>
      )}
    </>
  );
}

function Moves({ moves, recs }: { moves: Move[]; recs?: Recommendation[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{t.cluster.recommendations}</th>
          <th>
            {t.cluster.from} → {t.cluster.to}
          </th>
          <th class="num">{t.cluster.priority}</th>
          <th>{t.cluster.reason}</th>
          <th>{t.list.state}</th>
        </tr>
      </thead>
      <tbody>
        {moves.map((m, i) => (
          <MoveRow key={recs?.[i]?.id ?? m.name} move={m} {...(recs?.[i] ? { rec: recs[i] } : {})} />
        ))}
      </tbody>
    </table>
  );
}

function Blockers({ plan }: { plan: Plan }) {
  if (!plan.blockers.length) return null;
  return (
    <div role="alert">
      <h3>{t.cluster.blockers}</h3>
      <ul>
        {plan.blockers.map((b) => (
          <li key={b.vm}>
            <Ref id={b.vm} />: {b.text}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Outcome({ plan, simulated }: { plan: Plan; simulated: boolean }) {
  const before = drsScore(plan.imbalance.cpu, plan.imbalance.memory);
  const after = drsScore(plan.imbalance_after.cpu, plan.imbalance_after.memory);
  return (
    <section class="card broad" aria-live="polite">
      <h2>{t.cluster.balance}</h2>
      <Bar label={t.cluster.score} part={before} whole={100} hot={2} text={t.cluster.scoreText(before)} />
      {plan.items.length > 0 && <Bar label={t.cluster.imbalanceAfter} part={after} whole={100} hot={2} text={t.cluster.scoreText(after)} />}
      <p class="dim">
        {t.cluster.imbalance}: {t.cluster.cpu} {plan.imbalance.cpu.toFixed(3)}, {t.cluster.memory} {plan.imbalance.memory.toFixed(3)}
        {plan.items.length > 0 && ` → ${plan.imbalance_after.cpu.toFixed(3)}, ${plan.imbalance_after.memory.toFixed(3)}`}
      </p>
      {!plan.items.length && <p>{t.cluster.even}</p>}
      {simulated && plan.items.length > 0 && (
        <>
          <p>{t.cluster.simulated}</p>
          <Moves moves={plan.items} />
        </>
      )}
      <Blockers plan={plan} />
    </section>
  );
}

export function Drs({ cluster }: { cluster: Cluster }) {
  const plan = useSignal<{ plan: Plan; simulated: boolean } | null>(null);
  const busy = useSignal(false);
  const look = (simulate: boolean): void => {
    busy.value = true;
    call<Plan>("POST", `/clusters/${cluster.id}/drs`, { simulate })
      .then((p) => (plan.value = { plan: p, simulated: simulate }))
      .catch((e: Error) => say("error", e.message))
      .finally(() => (busy.value = false));
  };
  const recs = inventory
    .all<Recommendation>("rec")
    .filter((r) => r.parent === cluster.id)
    .sort((a, b) => Number(b.id.slice(4)) - Number(a.id.slice(4)));
  const pending = recs.filter((r) => r.state === "pending").sort((a, b) => (a.priority ?? 9) - (b.priority ?? 9));
  const past = recs.filter((r) => r.state !== "pending").slice(0, HISTORY);
  return (
    <div class="grid">
      <section class="card broad">
        <p>{cluster.drs_enabled ? t.cluster.drsOn(cluster.drs_automation_level, cluster.drs_threshold) : t.cluster.drsOff}</p>
        {mayOperate() && (
          <div class="buttons left">
            <button type="button" class="primary" disabled={busy.value} onClick={() => look(false)}>
              {t.cluster.look}
            </button>
            <button type="button" disabled={busy.value} onClick={() => look(true)}>
              {t.cluster.simulate}
            </button>
          </div>
        )}
      </section>
      {plan.value && <Outcome plan={plan.value.plan} simulated={plan.value.simulated} />}
      <section class="card broad">
        <h2>{t.cluster.recommendations}</h2>
        {pending.length ? <Moves moves={pending} recs={pending} /> : <p class="dim">{t.cluster.noRecommendations}</p>}
        {pending.length > 1 && mayOperate() && (
          <button type="button" onClick={() => void Promise.all(pending.map((r) => decide(r, "apply")))}>
            {t.cluster.applyAll(pending.length)}
          </button>
        )}
      </section>
      {past.length > 0 && (
        <section class="card broad">
          <h2>{t.cluster.history}</h2>
          <Moves moves={past} recs={past} />
        </section>
      )}
    </div>
  );
}
