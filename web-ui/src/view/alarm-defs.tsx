// What is raised, and what is watched for: definitions, made, changed, tried on the past and removed.
import { useSignal } from "@preact/signals";
import { call } from "../net/api.ts";
import { actions } from "../store/actions.ts";
import { told } from "../store/alarm-form.ts";
import { type AlarmDef, alarmBook } from "../store/alarms.ts";
import { inventory } from "../store/collection.ts";
import { begin } from "../store/dialogs.ts";
import { may } from "../store/session.ts";
import { say } from "../store/toast.ts";
import { t } from "../text/en.ts";
import { EditAlarm } from "./alarm-edit.tsx";
import { Alarms } from "./alarms.tsx";

function turn(d: AlarmDef): void {
  call("PATCH", `/alarmdefs/${d.id}`, { enabled: !d.enabled }).catch((e: Error) => say("error", `${d.name}: ${e.message}`));
}

function Definition({ d, onEdit }: { d: AlarmDef; onEdit: () => void }) {
  const removal = actions.find((x) => x.kind === "alarmdef" && x.id === "remove");
  return (
    <tr data-alarmdef={d.name}>
      <td>{d.name}</td>
      <td>{d.entity ? inventory.name(d.entity) : (t.kind[d.target] ?? d.target)}</td>
      <td class="wrap">{d.description}</td>
      <td class="wrap">
        {d.conditions.map((c) => told(c as Record<string, unknown>)).join(d.match === "all" ? t.alarm.edit.and : t.alarm.edit.or)}
      </td>
      <td class="num">{d.actions?.length ?? 0}</td>
      <td>
        {may("administrator") ? (
          <input type="checkbox" aria-label={`${t.cluster.enabled}: ${d.name}`} checked={d.enabled} onChange={() => turn(d)} />
        ) : d.enabled ? (
          t.pool.yes
        ) : (
          t.pool.no
        )}
      </td>
      <td>
        {may("administrator") && removal && (
          <>
            <button type="button" class="small" aria-label={`${t.action.edit} ${d.name}`} onClick={onEdit}>
              {t.action.edit}
            </button>{" "}
            <button type="button" class="small" aria-label={`${removal.title} ${d.name}`} onClick={() => begin(removal, [d])}>
              {removal.title}
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

export default function Definitions() {
  /** null: none is open; "": a new one. */
  const edited = useSignal<string | null>(null);
  const defs = alarmBook.all<AlarmDef>("alarmdef").sort((a, b) => a.name.localeCompare(b.name));
  return (
    <div class="scroll" role="group" tabIndex={0} aria-label={t.alarm.definitions}>
      <Alarms />
      <div class="bar-top apart">
        <h2>{t.alarm.definitions}</h2>
        <span class="grow" />
        {may("administrator") && (
          <button type="button" class="primary" onClick={() => (edited.value = "")}>
            {t.alarm.edit.fresh}
          </button>
        )}
      </div>
      {defs.length ? (
        <table>
          <thead>
            <tr>
              <th>{t.list.name}</th>
              <th>{t.alarm.target}</th>
              <th>{t.alarm.what}</th>
              <th>{t.alarm.edit.conditions}</th>
              <th class="num">{t.alarm.edit.acts}</th>
              <th>{t.cluster.enabled}</th>
              <th>
                <span class="hidden">{t.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {defs.map((d) => (
              <Definition key={d.id} d={d} onEdit={() => (edited.value = d.id)} />
            ))}
          </tbody>
        </table>
      ) : (
        <p class="empty">{t.list.none}</p>
      )}
      {edited.value !== null && <EditAlarm key={edited.value} id={edited.value || null} onClose={() => (edited.value = null)} />}
    </div>
  );
}
