// Definitions of alarms as their form has them: texts in flat rows, and back to what the API takes. Pure.
import type { AlarmDef } from "./alarms.ts";

/** One condition or one action: its type, and a text for each field that it has. */
export interface Row {
  type: string;
  [field: string]: string;
}

export interface Draft {
  name: string;
  target: string;
  entity: string;
  description: string;
  match: string;
  conditions: Row[];
  actions: Row[];
}

type Json = Record<string, unknown>;

const list = (v: unknown): string => (Array.isArray(v) ? v.join(", ") : "");
const items = (text: string | undefined): string[] =>
  (text ?? "")
    .split(",")
    .map((x) => x.trim())
    .filter(Boolean);
const text = (v: unknown): string => (v === undefined || v === null ? "" : String(v));
/** Only what says something: an empty field is left to the server. */
const filled = (o: Json): Json => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== "" && v !== undefined && v !== null));
/** What is no number goes as it is, for the server to say so. */
const number = (s: string | undefined): number | string | undefined => (!s?.trim() ? undefined : Number.isNaN(Number(s)) ? s : Number(s));

export const emptyCondition = (): Row => ({
  type: "counter",
  counter: "",
  of: "",
  operator: "above",
  yellow: "75",
  red: "90",
  hysteresis: "",
  for_s: "300",
});
export const emptyAction = (): Row => ({ type: "email", name: "", on: "red" });

function conditionRow(c: Json): Row {
  const for_s = text(c.for_s);
  if (c.events) {
    const of = c.events as Json;
    return { type: "events", red: list(of.red), yellow: list(of.yellow), green: list(of.green) };
  }
  if (c.property) {
    const how = c.is_not ? "is_not" : "is";
    return { type: "property", property: text(c.property), how, values: list(c[how]), status: text(c.status ?? "red"), for_s };
  }
  const { counter, of, operator, yellow, red, hysteresis } = c;
  return {
    type: "counter",
    counter: text(counter),
    of: text(of),
    operator: text(operator ?? "above"),
    yellow: text(yellow),
    red: text(red),
    hysteresis: text(hysteresis),
    for_s,
  };
}

function condition(r: Row): Json {
  if (r.type === "events") {
    const of = Object.fromEntries(["red", "yellow", "green"].map((s) => [s, items(r[s])] as const).filter(([, v]) => v.length));
    return { events: of };
  }
  const for_s = number(r.for_s);
  if (r.type === "property")
    return filled({ property: r.property, [r.how === "is" ? "is" : "is_not"]: items(r.values), status: r.status, for_s });
  return filled({
    counter: r.counter?.trim(),
    of: r.of?.trim(),
    operator: r.operator,
    yellow: number(r.yellow),
    red: number(r.red),
    hysteresis: number(r.hysteresis),
    for_s,
  });
}

/** The fields of each type of action, and which of them are lists. */
export const actionFields: Record<string, string[]> = {
  email: ["to"],
  webhook: ["url", "secret"],
  snmp: ["host", "community"],
  script: ["program", "args"],
  task: ["op", "args"],
  event: ["message"],
};
const lists = ["to", "on"];

function actionRow(a: Json): Row {
  const type = text(a.type);
  const row: Row = { type, name: text(a.name), on: list(a.on) };
  for (const f of actionFields[type] ?? []) {
    const v = a[f];
    row[f] = Array.isArray(v) ? list(v) : typeof v === "object" && v !== null ? JSON.stringify(v) : text(v);
  }
  return row;
}

/** A task's arguments are an object, a script's are texts. What is no JSON goes as it is, for the server to say so. */
function field(type: string, name: string, value: string | undefined): unknown {
  if (type === "task" && name === "args") {
    try {
      return value?.trim() ? JSON.parse(value) : undefined;
    } catch {
      return value;
    }
  }
  return lists.includes(name) || name === "args" ? items(value) : value?.trim();
}

function action(r: Row): Json {
  const out: Json = { type: r.type, name: r.name?.trim(), on: items(r.on) };
  for (const f of actionFields[r.type] ?? []) out[f] = field(r.type, f, r[f]);
  return Object.fromEntries(Object.entries(filled(out)).filter(([, v]) => !Array.isArray(v) || v.length));
}

export function draftOf(d: AlarmDef | null): Draft {
  return {
    name: d?.name ?? "",
    target: d?.target ?? "vm",
    entity: d?.entity ?? "",
    description: d?.description ?? "",
    match: d?.match ?? "any",
    conditions: d ? d.conditions.map((c) => conditionRow(c as Json)) : [emptyCondition()],
    actions: (d?.actions ?? []).map((a) => actionRow(a as Json)),
  };
}

/** What a definition is made with. */
export function bodyOf(d: Draft): Json {
  return {
    ...filled({ name: d.name.trim(), target: d.target, entity: d.entity, description: d.description.trim(), match: d.match }),
    conditions: d.conditions.map(condition),
    ...(d.actions.length ? { actions: d.actions.map(action) } : {}),
  };
}

/** Of what a definition is made with, what has changed; kind and place of what is watched stay for ever. */
export function changesOf(before: Draft, now: Draft): Json {
  const [was, is] = [before, now].map((d): Json => ({ description: "", actions: [], ...bodyOf(d) })) as [Json, Json];
  return Object.fromEntries(
    ["name", "description", "match", "conditions", "actions"]
      .filter((f) => JSON.stringify(was[f]) !== JSON.stringify(is[f]))
      .map((f) => [f, is[f]]),
  );
}

const UNITS: [seconds: number, unit: string][] = [
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

function span(seconds: unknown): string {
  const s = Number(seconds ?? 0);
  const [by, unit] = UNITS.find(([n]) => s >= n && s % n === 0) ?? [1, "s"];
  return s ? ` for ${s / by} ${unit}` : "";
}

/** A condition in a line. */
export function told(c: Json): string {
  if (c.events)
    return Object.entries(c.events as Json)
      .map(([status, types]) => `${list(types)}: ${status}`)
      .join("; ");
  if (c.property)
    return `${text(c.property)} is ${c.is_not ? "not " : ""}${list(c.is_not ?? c.is)}: ${text(c.status ?? "red")}${span(c.for_s)}`;
  const limits = ["yellow", "red"].filter((s) => c[s] !== undefined).map((s) => `${text(c[s])}: ${s}`);
  return `${text(c.counter)}${c.of ? ` of ${text(c.of)}` : ""} ${text(c.operator ?? "above")} ${limits.join(", ")}${span(c.for_s)}`;
}
