// A definition of an alarm: what is watched, the conditions, what is done about it, and how often it would
// have been raised.
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { call } from "../net/api.ts";
import type { Obj } from "../net/types.ts";
import { type Draft, type Row, actionFields, bodyOf, changesOf, draftOf, emptyAction, emptyCondition } from "../store/alarm-form.ts";
import { type AlarmDef, alarmBook } from "../store/alarms.ts";
import { inventory } from "../store/collection.ts";
import { lineOf } from "../store/commands.ts";
import { events } from "../store/events.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Sent, useSend } from "../ui/send.tsx";
import { moment } from "../ui/text.ts";

const targets = ["vm", "host", "cluster", "pool", "datastore", "server"];
const places = ["dc", "folder", "cluster", "pool", "host", "datastore"];
const MOST = 8;
const DAYS = 7;
const SHOWN = 5;

interface Counter {
  name: string;
  unit: string;
  objects: string[];
}

function TextField({
  label,
  value,
  set,
  list,
  type = "text",
}: {
  label: string;
  value: string | undefined;
  set: (v: string) => void;
  list?: string;
  type?: string;
}) {
  return (
    <label>
      <span>{label}</span>
      <input type={type} value={value ?? ""} list={list} autocomplete="off" onInput={(e) => set(e.currentTarget.value)} />
    </label>
  );
}

function Choice({
  label,
  value,
  set,
  options,
  disabled = false,
}: {
  label: string;
  value: string | undefined;
  set: (v: string) => void;
  options: Record<string, string>;
  disabled?: boolean;
}) {
  return (
    <label>
      <span>{label}</span>
      <select value={value} disabled={disabled} onChange={(e) => set(e.currentTarget.value)}>
        {Object.entries(options).map(([id, title]) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

interface PartProps {
  row: Row;
  set: (field: string, value: string) => void;
}

const w = t.alarm.edit;

function CounterFields({ row, set }: PartProps) {
  return (
    <>
      <TextField label={w.counter} value={row.counter} list="alarm-counters" set={(v) => set("counter", v)} />
      <Choice label={w.operator} value={row.operator} options={w.operators} set={(v) => set("operator", v)} />
      <TextField label={t.alarm.yellow} value={row.yellow} set={(v) => set("yellow", v)} />
      <TextField label={t.alarm.red} value={row.red} set={(v) => set("red", v)} />
      <TextField label={w.forS} value={row.for_s} set={(v) => set("for_s", v)} />
      <TextField label={w.hysteresis} value={row.hysteresis} set={(v) => set("hysteresis", v)} />
      <TextField label={w.shareOf} value={row.of} list="alarm-counters" set={(v) => set("of", v)} />
    </>
  );
}

function StateFields({ row, set }: PartProps) {
  return (
    <>
      <TextField label={w.property} value={row.property} list="alarm-properties" set={(v) => set("property", v)} />
      <Choice label={w.how} value={row.how} options={w.hows} set={(v) => set("how", v)} />
      <TextField label={w.values} value={row.values} set={(v) => set("values", v)} />
      <Choice
        label={t.alarm.status}
        value={row.status}
        options={{ red: t.alarm.red, yellow: t.alarm.yellow }}
        set={(v) => set("status", v)}
      />
      <TextField label={w.forS} value={row.for_s} set={(v) => set("for_s", v)} />
    </>
  );
}

function EventFields({ row, set }: PartProps) {
  return (
    <>
      {(["red", "yellow", "green"] as const).map((s) => (
        <TextField key={s} label={w.eventsFor(t.alarm[s])} value={row[s]} list="alarm-events" set={(v) => set(s, v)} />
      ))}
    </>
  );
}

const conditionFields: Record<string, (p: PartProps) => ComponentChildren> = {
  counter: CounterFields,
  property: StateFields,
  events: EventFields,
};
const fresh: Record<string, Row> = {
  counter: emptyCondition(),
  property: { type: "property", property: "", how: "is_not", values: "", status: "red", for_s: "" },
  events: { type: "events", red: "", yellow: "", green: "" },
};

interface RowsProps {
  legend: string;
  draft: Signal<Draft>;
  of: "conditions" | "actions";
  least: number;
  add: string;
  empty: () => Row;
  children: (row: Row, set: (field: string, v: string) => void, at: number) => ComponentChildren;
}

/** Conditions or actions, one under the other; each can go, more can come. */
function Rows({ legend, draft, of, least, add, empty, children }: RowsProps) {
  const list = draft.value[of];
  const put = (rows: Row[]): void => {
    draft.value = { ...draft.value, [of]: rows };
  };
  return (
    <>
      {list.map((row, at) => (
        <fieldset key={at} class="cells">
          <legend>{`${legend} ${at + 1}`}</legend>
          {children(row, (field, v) => put(list.map((r, i) => (i === at ? { ...r, [field]: v } : r))), at)}
          {list.length > least && (
            <button
              type="button"
              class="small"
              aria-label={`${t.action.remove}: ${legend} ${at + 1}`}
              onClick={() => put(list.filter((_, i) => i !== at))}
            >
              {t.action.remove}
            </button>
          )}
        </fieldset>
      ))}
      {list.length < MOST && (
        <button type="button" class="small" onClick={() => put([...list, empty()])}>
          {add}
        </button>
      )}
    </>
  );
}

function ActionFields({ row, set, kinds }: PartProps & { kinds: Record<string, string> }) {
  const on = (row.on ?? "").split(",").map((x) => x.trim());
  const turn = (s: string): string => (on.includes(s) ? on.filter((x) => x !== s) : [...on, s]).filter(Boolean).join(", ");
  return (
    <>
      <Choice label={w.type} value={row.type} options={kinds} set={(v) => set("type", v)} />
      {(actionFields[row.type] ?? []).map((f) => (
        <TextField
          key={f}
          label={w.fields[f] ?? f}
          value={row[f]}
          type={f === "secret" || f === "community" ? "password" : "text"}
          set={(v) => set(f, v)}
        />
      ))}
      <TextField label={w.actionName} value={row.name} set={(v) => set("name", v)} />
      <div class="chips" role="group" aria-label={w.on}>
        {(["red", "yellow", "green"] as const).map((s) => (
          <label key={s} class="check">
            <input type="checkbox" checked={on.includes(s)} onChange={() => set("on", turn(s))} /> {t.alarm[s]}
          </label>
        ))}
      </div>
    </>
  );
}

interface Preview {
  days: number;
  watched: number;
  yellow: number;
  red: number;
  objects: { object: string; name: string; yellow: number; red: number; last: string }[];
  not_played: number[];
}

export function PreviewText({ of: p }: { of: Preview }) {
  const n = p.yellow + p.red;
  return (
    <div class="previewed" role="status">
      <p class={n ? "warn" : "ok"}>
        <span aria-hidden="true">{n ? "▲ " : "✓ "}</span>
        {w.fired(n, p.days, p.objects.length, p.watched)}
      </p>
      {p.objects.length > 0 && (
        <ul>
          {p.objects.slice(0, SHOWN).map((o) => (
            <li key={o.object}>{w.firedOn(o.name || o.object, o.yellow + o.red, moment(o.last))}</li>
          ))}
        </ul>
      )}
      {p.not_played.length > 0 && <p class="dim">{w.notPlayed}</p>}
    </div>
  );
}

function Hints({ target }: { target: string }) {
  const counters = useSignal<Counter[]>([]);
  useEffect(() => {
    call<{ items: Counter[] }>("GET", "/stats/counters")
      .then((r) => (counters.value = r.items))
      .catch(() => undefined); // names can be typed without the list of them
  }, []);
  const counted = target === "vm" ? ["machine", "container"] : [target];
  const example = inventory.all<Obj>(target)[0] as Record<string, unknown> | undefined;
  const types = new Set(events.value.map((e) => e.type));
  return (
    <>
      <datalist id="alarm-counters">
        {counters.value
          .filter((c) => c.objects.some((o) => counted.includes(o)))
          .map((c) => (
            <option key={c.name} value={c.name}>
              {c.unit}
            </option>
          ))}
      </datalist>
      <datalist id="alarm-properties">
        {Object.entries(example ?? {})
          .filter(([, v]) => typeof v !== "object")
          .map(([k]) => (
            <option key={k} value={k} />
          ))}
      </datalist>
      <datalist id="alarm-events">
        {[...types].sort().map((x) => (
          <option key={x} value={x} />
        ))}
      </datalist>
    </>
  );
}

function placesBy(): Record<string, string> {
  const all = places.flatMap((kind) => inventory.all<Obj>(kind));
  return { "": w.everywhere, ...Object.fromEntries(all.map((o) => [o.id, `${o.name} (${t.kind[o.kind]})`])) };
}

/** null: a new one. */
export function EditAlarm({ id, onClose }: { id: string | null; onClose: () => void }) {
  const first = useMemo(() => (id ? (alarmBook.get<AlarmDef>(id) ?? null) : null), [id]);
  const before = useMemo(() => draftOf(first), [first]);
  const draft = useSignal(before);
  const preview = useSignal<Preview | null>(null);
  const looking = useSend();
  const sending = useSend();
  const d = draft.value;
  const set = (change: Partial<Draft>): void => {
    draft.value = { ...draft.value, ...change };
  };
  const body = first ? changesOf(before, d) : bodyOf(d);
  const request = first ? { method: "PATCH", path: `/alarmdefs/${first.id}`, body } : { method: "POST", path: "/alarmdefs", body };
  const nothing = !Object.keys(body).length;
  const kinds = Object.fromEntries(targets.map((k) => [k, t.kind[k] ?? w.server]));

  function submit(e: SubmitEvent): void {
    e.preventDefault();
    if (nothing) onClose();
    else void sending.send(request, { ...(first ? { rev: first.rev } : {}), done: onClose });
  }
  function look(): void {
    const { name: _name, description: _description, actions: _actions, ...asked } = bodyOf(d);
    preview.value = null;
    void looking.send<Preview>(
      { method: "POST", path: "/alarm-previews", body: { ...asked, days: DAYS } },
      { done: (p) => (preview.value = p) },
    );
  }

  return (
    <Dialog title={first ? `${t.action.edit.replace("…", "")}: ${first.name}` : w.fresh.replace("…", "")} onClose={onClose} wide>
      <form onSubmit={submit} class="fields">
        <Hints target={d.target} />
        <fieldset class="cells">
          <legend>{w.watched}</legend>
          <label>
            <span>{t.list.name}</span>
            <input name="name" required maxLength={80} value={d.name} onInput={(e) => set({ name: e.currentTarget.value })} />
          </label>
          <Choice label={t.alarm.target} value={d.target} options={kinds} disabled={first !== null} set={(target) => set({ target })} />
          <Choice label={w.within} value={d.entity} options={placesBy()} disabled={first !== null} set={(entity) => set({ entity })} />
          <TextField label={t.alarm.what} value={d.description} set={(description) => set({ description })} />
          <Choice label={w.match} value={d.match} options={w.matches} set={(match) => set({ match })} />
        </fieldset>
        <Rows legend={w.condition} draft={draft} of="conditions" least={1} add={w.addCondition} empty={emptyCondition}>
          {(row, put, at) => {
            const Fields = conditionFields[row.type] ?? CounterFields;
            const retype = (type: string): void =>
              set({ conditions: d.conditions.map((r, i) => (i === at ? { ...(fresh[type] as Row) } : r)) });
            return (
              <>
                <Choice label={w.type} value={row.type} options={w.types} set={retype} />
                <Fields row={row} set={put} />
              </>
            );
          }}
        </Rows>
        <div class="previewing">
          <button type="button" onClick={look} disabled={looking.busy}>
            {w.preview}
          </button>
          {preview.value && <PreviewText of={preview.value} />}
          <Sent of={looking} />
        </div>
        <Rows legend={w.action} draft={draft} of="actions" least={0} add={w.addAction} empty={emptyAction}>
          {(row, put) => <ActionFields row={row} set={put} kinds={w.actions} />}
        </Rows>
        <Sent of={sending} />
        {!nothing && (
          <p class="line">
            <span class="dim">{t.form.command}</span> <code>{lineOf(request.method, request.path, body)}</code>
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          <button type="submit" class="primary" disabled={sending.busy}>
            {first ? t.form.save : t.form.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
