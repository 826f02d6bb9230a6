import { call } from "../net/api.ts";
import { type Alarm, raised, worst } from "../store/alarms.ts";
import { inventory } from "../store/collection.ts";
import { href } from "../store/route.ts";
import { mayOperate } from "../store/session.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { moment } from "../ui/text.ts";

const SILENCE_MS = 3_600_000;

const looks: Record<Alarm["status"], [glyph: string, tone: string, text: string]> = {
  red: ["◆", "bad", t.alarm.red],
  yellow: ["▲", "warn", t.alarm.yellow],
  green: ["●", "ok", t.alarm.green],
  gray: ["○", "dim", t.alarm.gray],
};

/** The worst alarm of an object, as a mark beside its name. */
export function AlarmMark({ id }: { id: string }) {
  const a = worst.value.get(id);
  if (!a) return null;
  const [glyph, tone, text] = looks[a.status];
  return (
    <span class={`glyph ${tone}`} title={`${a.name}: ${a.reason ?? text}`}>
      <span aria-hidden="true">{glyph}</span>
      <span class="hidden">{`${t.alarm.one} ${text}`}</span>
    </span>
  );
}

function act(a: Alarm, verb: string, body: object): void {
  call("POST", `/alarms/${a.id}/${verb}`, body).catch((e: Error) => say("error", `${a.name}: ${e.message}`));
}

function isSilent(a: Alarm): boolean {
  return a.silenced_until !== null && Date.parse(a.silenced_until) > Date.now();
}

function Acts({ alarm: a }: { alarm: Alarm }) {
  if (!mayOperate()) return null;
  return (
    <>
      {!a.acknowledged && (
        <button
          type="button"
          class="small"
          aria-label={`${t.alarm.acknowledge}: ${a.name} ${a.entity_name ?? ""}`}
          onClick={() => act(a, "acknowledge", {})}
        >
          {t.alarm.acknowledge}
        </button>
      )}{" "}
      <button
        type="button"
        class="small"
        aria-label={`${isSilent(a) ? t.alarm.speak : t.alarm.silence}: ${a.name} ${a.entity_name ?? ""}`}
        onClick={() => act(a, "silence", { until: isSilent(a) ? 0 : Date.now() + SILENCE_MS })}
      >
        {isSilent(a) ? t.alarm.speak : t.alarm.silence}
      </button>{" "}
      <button
        type="button"
        class="small"
        aria-label={`${t.alarm.reset}: ${a.name} ${a.entity_name ?? ""}`}
        onClick={() => act(a, "reset", {})}
      >
        {t.alarm.reset}
      </button>
    </>
  );
}

export function AlarmRows({ list }: { list: Alarm[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{t.alarm.status}</th>
          <th>{t.alarm.one}</th>
          <th>{t.event.object}</th>
          <th>{t.alarm.reason}</th>
          <th>{t.alarm.since}</th>
          <th>{t.alarm.seen}</th>
          <th>
            <span class="hidden">{t.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {list.map((a) => {
          const [glyph, tone, text] = looks[a.status];
          return (
            <tr key={a.id}>
              <td>
                <span class={`state ${tone}`}>
                  <span aria-hidden="true">{glyph}</span> {text}
                </span>
              </td>
              <td>{a.name}</td>
              <td>{inventory.get(a.entity) ? <a href={href(a.entity ?? "")}>{a.entity_name}</a> : a.entity_name}</td>
              <td class="wrap">{a.reason}</td>
              <td class="mono">{moment(a.since)}</td>
              <td>{a.acknowledged ? (a.acknowledged_by ?? t.pool.yes) : ""}</td>
              <td>
                <Acts alarm={a} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

export function Alarms({ entity }: { entity?: string }) {
  const list = raised.value.filter((a) => !entity || a.entity === entity);
  return list.length ? <AlarmRows list={list} /> : <p class="empty">{t.alarm.none}</p>;
}
