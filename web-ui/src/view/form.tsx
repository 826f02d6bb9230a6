// A form made from a table of fields. It sends what was changed and nothing else, tells what somebody
// else changed meanwhile, and shows the shell line of what it is about to do.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { Changed } from "../net/api.ts";
import type { Obj } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { lineOf } from "../store/commands.ts";
import { events } from "../store/events.ts";
import { type Rival, type Value, type Values, newest, rivals, since } from "../store/rivals.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Sent, useSend } from "../ui/send.tsx";

export type { Value, Values };

export interface Field {
  name: string;
  label: string;
  type: "text" | "password" | "number" | "check" | "choice" | "area";
  options?: [value: string, label: string][];
  min?: number;
  max?: number;
  required?: boolean;
  help?: string;
  /** What an empty field means to the API, where null is not a choice. */
  empty?: Value;
  when?(v: Values): boolean;
}

/** More fields than these stand in two columns. */
const MANY = 6;

interface Props {
  title: string;
  fields: Field[];
  /** What is edited; null: it is to be made. */
  object: Obj | null;
  initial?: Values;
  /** What fields begin with instead of what is so: somebody has asked for it already. */
  preset?: Values;
  submit: string;
  request(changed: Values): { method: string; path: string; body?: object };
  onClose(): void;
  onDone?(answer: unknown): void;
  children?: ComponentChildren;
}

const read = (o: Obj | null | undefined, f: Field): Value => {
  const v = (o as unknown as Record<string, Value | null> | null | undefined)?.[f.name];
  return v ?? f.empty ?? (f.type === "check" ? false : "");
};
const shown = (f: Field, v: Value): string => (f.type === "choice" ? (f.options?.find(([id]) => id === v)?.[1] ?? String(v)) : String(v));

function Control({ field: f, value, onChange }: { field: Field; value: Value; onChange: (v: Value) => void }) {
  const common = { name: f.name, required: f.required ?? false };
  if (f.type === "check")
    return (
      <input {...common} required={false} type="checkbox" checked={Boolean(value)} onChange={(e) => onChange(e.currentTarget.checked)} />
    );
  if (f.type === "choice")
    return (
      <select {...common} value={String(value)} onChange={(e) => onChange(e.currentTarget.value)}>
        {f.options?.map(([id, label]) => (
          <option key={id} value={id}>
            {label}
          </option>
        ))}
      </select>
    );
  if (f.type === "area") return <textarea {...common} rows={3} value={String(value)} onInput={(e) => onChange(e.currentTarget.value)} />;
  return (
    <input
      {...common}
      type={f.type}
      min={f.min}
      max={f.max}
      maxLength={f.type === "text" ? 80 : undefined}
      value={String(value)}
      onInput={(e) => onChange(f.type === "number" && e.currentTarget.value !== "" ? Number(e.currentTarget.value) : e.currentTarget.value)}
    />
  );
}

interface Rivalry {
  rival: Rival;
  field: Field;
  take(): void;
}

/** What somebody else has made of a field meanwhile, and his value to be had. */
function Meanwhile({ rival, field, take }: Rivalry) {
  return (
    <p class="warn" role="alert">
      ▲ {t.form.conflict(field.label, shown(field, rival.theirs) || t.vm.none, rival.by)}{" "}
      <button type="button" class="small" onClick={take}>
        {t.form.take}
      </button>
    </p>
  );
}

export function Form({ title, fields, object, initial, preset, submit, request, onClose, onDone, children }: Props) {
  const told = useSignal<Changed | null>(null);
  const live = object ? inventory.get(object.id) : undefined;
  const now = newest(live, told.value);
  const start = (): Values => Object.fromEntries(fields.map((f) => [f.name, initial?.[f.name] ?? read(object, f)]));
  const theirs = (o: Obj | undefined): Values => Object.fromEntries(fields.map((f) => [f.name, read(o, f)]));
  const base = useSignal<Values>(start());
  const values = useSignal<Values>({ ...base.value, ...preset });
  const sending = useSend();
  const seen = useRef(events.peek()[0]?.id);

  const visible = fields.filter((f) => !f.when || f.when(values.value));
  const changed: Values = Object.fromEntries(
    visible
      .filter((f) => (object ? values.value[f.name] !== base.value[f.name] : values.value[f.name] !== "" || f.required))
      .map((f) => [f.name, values.value[f.name] as Value]),
  );
  const conflicts = now ? rivals(base.value, values.value, theirs(now), now.id, told.value, since(events.value, seen.current)) : [];
  const gone = object !== null && !live;
  const nothing = object !== null && !Object.keys(changed).length;
  const set = (name: string, v: Value): void => {
    values.value = { ...values.value, [name]: v };
  };
  const take = (r: Rival): void => {
    base.value = { ...base.value, [r.field]: r.theirs };
    set(r.field, r.theirs);
  };
  const done = (answer: unknown): void => {
    onDone?.(answer);
    onClose();
  };
  const r = request(changed);

  /** On the ground of what is shown; who changed something that is not in this form is not met. */
  function save(on: Obj | undefined): void {
    void sending.send(r, {
      ...(on && r.method === "PATCH" ? { rev: on.rev } : {}),
      done,
      refused: ({ changed: by }) => {
        told.value = by;
        const met = by && rivals(base.value, values.value, theirs(by.object), by.object.id, by, []);
        if (by && !met?.length && by.object.rev > (on?.rev ?? 0)) save(by.object);
      },
    });
  }
  function onSubmit(e: SubmitEvent) {
    e.preventDefault();
    if (nothing) onClose();
    else save(now);
  }

  return (
    <Dialog title={title} onClose={onClose} wide={fields.length > MANY}>
      <form onSubmit={onSubmit} class={fields.length > MANY ? "fields two" : "fields"}>
        {visible.map((f) => (
          <label key={f.name} class={f.type === "check" ? "check" : ""}>
            {f.type !== "check" && <span>{f.label}</span>}
            <Control field={f} value={values.value[f.name] ?? ""} onChange={(v) => set(f.name, v)} />
            {f.type === "check" && <span>{f.label}</span>}
            {f.help && <small class="dim">{f.help}</small>}
          </label>
        ))}
        {children}
        {conflicts.map((x) => (
          <Meanwhile key={x.field} rival={x} field={fields.find((f) => f.name === x.field) as Field} take={() => take(x)} />
        ))}
        {gone && (
          <p class="problem" role="alert">
            {t.form.gone}
          </p>
        )}
        <Sent of={sending} />
        {!nothing && !gone && (
          <p class="line">
            <span class="dim">{t.form.command}</span> <code>{lineOf(r.method, r.path, r.body)}</code>
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          {!gone && (
            <button type="submit" class="primary" disabled={sending.busy}>
              {conflicts.some((x) => x.field in changed) ? t.form.over : submit}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
