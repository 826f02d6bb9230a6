// High availability: how it stands, and what would come if hosts were lost.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../net/api.ts";
import type { Cluster, Host } from "../net/types.ts";
import { route, setQuery } from "../store/route.ts";
import { t } from "../text/en.ts";
import { Bar } from "../ui/bars.tsx";
import { Facts } from "../ui/facts.tsx";
import { Load } from "../ui/load.tsx";
import { moment } from "../ui/text.ts";
import { hostsOf } from "./cluster.tsx";
import { Ref } from "./columns.tsx";

interface Status {
  enabled: boolean;
  braked: boolean;
  hosts: { host: string; name: string; state: string; fencing: string; protected: number; silent_ms: number; fenced: boolean }[];
  protected: number;
  unprotected: { vm: string; name: string; text: string }[];
  waiting: { vm: string; name: string; state: string; text: string; failures: number }[];
  failovers: { vm: string; from: string; to: string; at: string; detect_ms: number; wait_ms: number; claim_ms: number; exec_ms: number }[];
  admission: {
    policy: string;
    cpu_unreserved_permille: number;
    cpu_keep_permille: number;
    memory_unreserved_permille: number;
    memory_keep_permille: number;
  };
  capacity: { survives: number; text: string } | null;
}

interface Outcome {
  items: { vm: string; name: string; priority: string; from: string; to: string | null; restarted: boolean; wave: number; text: string }[];
  restarted: number;
  unplaced: number;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function Simulation({ cluster }: { cluster: Cluster }) {
  const lost = route.value.query.get("lost") ?? "";
  const struck = new Set(lost.split(",").filter(Boolean));
  const outcome = useSignal<Outcome | null>(null);
  const failed = useSignal("");
  const hosts = hostsOf(cluster).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const strike = (h: Host): void => {
    const next = new Set(struck);
    if (!next.delete(h.id)) next.add(h.id);
    setQuery("lost", [...next].join(","));
  };
  useEffect(() => {
    let left = false;
    const show = (o: Outcome | null, why: string): void => {
      if (left) return;
      outcome.value = o;
      failed.value = why;
    };
    if (!lost) show(null, "");
    else
      call<Outcome>("POST", `/clusters/${cluster.id}/ha/test`, { hosts: lost.split(",") })
        .then((o) => show(o, ""))
        .catch((e: Error) => show(null, e.message));
    return () => {
      left = true;
    };
  }, [cluster.id, lost]);
  return (
    <section class="card broad">
      <h2>{t.cluster.whatIf}</h2>
      <p class="dim">{t.cluster.whatIfHelp}</p>
      <div class="chips" role="group" aria-label={t.cluster.whatIf}>
        {hosts.map((h) => (
          <button key={h.id} type="button" aria-pressed={struck.has(h.id)} onClick={() => strike(h)}>
            {struck.has(h.id) ? "✕ " : ""}
            {h.name}
          </button>
        ))}
      </div>
      <p class="problem" role="alert">
        {failed.value}
      </p>
      {outcome.value && (
        <div aria-live="polite">
          <p class={outcome.value.unplaced ? "bad" : "ok"}>
            {outcome.value.unplaced ? "▲ " : "✓ "}
            {outcome.value.items.length ? t.cluster.restarted(outcome.value.restarted, outcome.value.unplaced) : t.cluster.nobody}
          </p>
          {outcome.value.items.length > 0 && (
            <table>
              <thead>
                <tr>
                  <th class="num">{t.cluster.wave}</th>
                  <th>{t.kind.vm}</th>
                  <th>{t.vm.priority}</th>
                  <th>
                    {t.cluster.from} → {t.cluster.to}
                  </th>
                  <th>{t.cluster.reason}</th>
                </tr>
              </thead>
              <tbody>
                {outcome.value.items.map((x) => (
                  <tr key={x.vm} class={x.restarted ? "" : "problem"}>
                    <td class="num">{x.restarted ? x.wave : ""}</td>
                    <td>
                      <Ref id={x.vm} />
                    </td>
                    <td>{x.priority}</td>
                    <td>
                      <Ref id={x.from} /> → {x.to ? <Ref id={x.to} /> : "✕"}
                    </td>
                    <td class="wrap">{x.text}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      )}
    </section>
  );
}

function Hosts({ status }: { status: Status }) {
  return (
    <section class="card broad">
      <h2>{t.tab.hosts}</h2>
      <table>
        <thead>
          <tr>
            <th>{t.list.host}</th>
            <th>{t.list.state}</th>
            <th>{t.cluster.fencing}</th>
            <th class="num">{t.cluster.protectedGuests}</th>
          </tr>
        </thead>
        <tbody>
          {status.hosts.map((h) => (
            <tr key={h.host}>
              <td>
                <Ref id={h.host} />
              </td>
              <td class={h.state === "up" ? "ok" : "bad"}>
                {h.state === "up" ? "● " : "▲ "}
                {h.state}
              </td>
              <td>{h.fencing}</td>
              <td class="num">{h.protected}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Lists({ status: s }: { status: Status }) {
  return (
    <>
      {s.waiting.length > 0 && (
        <section class="card" role="alert">
          <h2>{t.cluster.waiting}</h2>
          <ul>
            {s.waiting.map((w) => (
              <li key={w.vm}>
                <Ref id={w.vm} />: {w.state} {w.text}
              </li>
            ))}
          </ul>
        </section>
      )}
      {s.enabled && s.unprotected.length > 0 && (
        <section class="card">
          <h2>{t.cluster.unprotected}</h2>
          <ul>
            {s.unprotected.map((u) => (
              <li key={u.vm}>
                <Ref id={u.vm} />: {u.text}
              </li>
            ))}
          </ul>
        </section>
      )}
      {s.failovers.length > 0 && (
        <section class="card broad">
          <h2>{t.cluster.failovers}</h2>
          <table>
            <thead>
              <tr>
                {[
                  t.cluster.at,
                  t.kind.vm,
                  `${t.cluster.from} → ${t.cluster.to}`,
                  t.cluster.detect,
                  t.cluster.wait,
                  t.cluster.claim,
                  t.cluster.exec,
                ].map((h) => (
                  <th key={h}>{h}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {s.failovers.map((f) => (
                <tr key={`${f.vm} ${f.at}`}>
                  <td>{moment(f.at)}</td>
                  <td>
                    <Ref id={f.vm} />
                  </td>
                  <td>
                    <Ref id={f.from} /> → <Ref id={f.to} />
                  </td>
                  <td class="num">{seconds(f.detect_ms)}</td>
                  <td class="num">{seconds(f.wait_ms)}</td>
                  <td class="num">{seconds(f.claim_ms)}</td>
                  <td class="num">{seconds(f.exec_ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

export function Ha({ cluster }: { cluster: Cluster }) {
  return (
    <div class="grid">
      <Load<Status> path={`/clusters/${cluster.id}/ha`} again={cluster.rev}>
        {(s) => (
          <>
            <Facts
              title={t.overview.ha}
              rows={[
                [t.list.state, s.enabled ? t.cluster.haOn : t.cluster.haOff],
                [t.cluster.failures, s.capacity?.text],
                [t.cluster.protectedGuests, s.protected],
                [t.cluster.admission, s.admission.policy],
              ]}
            >
              {s.braked && (
                <p class="problem" role="alert">
                  {t.cluster.braked}
                </p>
              )}
              {[
                ["cpu", s.admission.cpu_unreserved_permille, s.admission.cpu_keep_permille] as const,
                ["memory", s.admission.memory_unreserved_permille, s.admission.memory_keep_permille] as const,
              ].map(([k, free, keep]) => (
                <Bar
                  key={k}
                  label={t.cluster[k]}
                  part={1000 - free}
                  whole={1000}
                  reserved={1000 - keep}
                  text={`${(100 - free / 10).toFixed(1)} % ${t.cluster.reserved}`}
                />
              ))}
            </Facts>
            <Lists status={s} />
            <Simulation cluster={cluster} />
            <Hosts status={s} />
          </>
        )}
      </Load>
    </div>
  );
}
