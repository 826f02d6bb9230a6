// The filter box: bare words match name, id, address or host; field:value and field>n look at one field.
import type { Vm } from "../net/types.ts";

export interface Row {
  vm: Vm;
  host: string;
  /** All that its tags are called. */
  tags: string[];
}

type Test = (r: Row) => boolean;

const texts: Record<string, (r: Row) => string | string[]> = {
  name: (r) => r.vm.name,
  id: (r) => r.vm.id,
  ip: (r) => r.vm.ip_address ?? "",
  host: (r) => r.host,
  kind: (r) => r.vm.guest_type,
  tag: (r) => r.tags,
  power: (r) => r.vm.power_state.replace("powered_", ""),
};
const numbers: Record<string, (r: Row) => number> = {
  cpu: (r) => r.vm.num_cpu,
  mem: (r) => r.vm.memory_mb,
};
const units: Record<string, number> = { k: 1 / 1024, m: 1, g: 1024, t: 1024 * 1024 };

function wild(pattern: string, whole: boolean): RegExp {
  const body = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const glob = /[*?]/.test(pattern);
  return new RegExp(whole || glob ? `^${body}$` : body, "i");
}

function amount(text: string, field: string): number {
  const m = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(text);
  if (!m) return Number.NaN;
  const unit = m[2]?.toLowerCase();
  return Number(m[1]) * (field === "mem" && unit ? (units[unit] ?? 1) : 1);
}

function compare(field: string, op: string, value: string): Test | null {
  const read = numbers[field];
  const want = amount(value, field);
  if (!read || Number.isNaN(want)) return null;
  return (r) => {
    const have = read(r);
    if (op === ">") return have > want;
    if (op === ">=") return have >= want;
    if (op === "<") return have < want;
    return have <= want;
  };
}

function term(text: string): Test | null {
  const m = /^([a-z]+)(:|>=|<=|>|<)(.*)$/i.exec(text);
  if (m) {
    const [, field = "", op = "", value = ""] = m;
    if (op !== ":") return compare(field, op, value);
    const read = texts[field];
    if (!read) return null;
    const any = value.split("|").map((v) => wild(v, true));
    return (r) => [read(r)].flat().some((have) => any.some((x) => x.test(have)));
  }
  const any = text.split("|").map((v) => wild(v, false));
  return (r) => any.some((x) => ["name", "id", "ip", "host"].some((f) => x.test(String(texts[f]?.(r) ?? ""))));
}

/** A test of rows, or the term that is not understood. */
export function parseFilter(q: string): Test | { bad: string } {
  const tests: Test[] = [];
  for (const word of q.match(/(?:[^\s"]|"[^"]*")+/g) ?? []) {
    const plain = word.replaceAll('"', "");
    const negated = plain.startsWith("-") && plain.length > 1;
    const t = term(negated ? plain.slice(1) : plain);
    if (!t) return { bad: word };
    tests.push(negated ? (r) => !t(r) : t);
  }
  return (r) => tests.every((t) => t(r));
}
