// What the palette finds: objects, pages, actions, and orders that name neither (store/orders.ts).
import { computed } from "@preact/signals";
import type { Host, Obj, Pool, Vm } from "../net/types.ts";
import { type Action, actionsFor } from "../store/actions.ts";
import { inventory } from "../store/collection.ts";
import { commands, script } from "../store/commands.ts";
import { begin, open } from "../store/dialogs.ts";
import { parseFilter } from "../store/filter.ts";
import { type Entry, find, names, wordsOf } from "../store/find.ts";
import { parseLoss, parseMany, parseMore } from "../store/orders.ts";
import { go } from "../store/route.ts";
import { rowOf } from "../store/tags.ts";
import { t } from "../text/en.ts";
import { offered } from "../ui/menu.tsx";
import { download, gb, ghz } from "../ui/text.ts";

const MOST = 12;
const WITH_ACTIONS = 40;

export interface Item extends Entry {
  run(): void;
}

const searched = ["vm", "host", "cluster", "pool", "datastore", "template", "network", "folder", "dc", "server"];

const pages: Item[] = Object.entries(t.pages).map(([id, title]) => ({
  key: `page-${id}`,
  text: title,
  hint: t.palette.page,
  icon: id === "home" ? "home" : "menu",
  weight: 0.5,
  run: () => go(id),
}));

const objects = computed<Item[]>(() =>
  inventory
    .placed()
    .filter((o) => searched.includes(o.kind))
    .map((o) => ({ key: o.id, text: o.name, hint: `${t.kind[o.kind]} ${o.id}`, icon: o.kind, weight: 0, run: () => go(o.id) })),
);

const order = (key: string, text: string, run: () => void): Item => ({
  key,
  text,
  hint: t.palette.action,
  icon: "more",
  weight: -0.5,
  run,
});

const doing = (a: Action, o: Obj): Item => order(`${a.id}-${o.id}`, `${a.title.replace("…", "")} ${o.name}`, () => begin(a, [o]));

/** Actions are looked for once a name is in the query: all actions of all objects would be too many. */
function actionItems(query: string): Item[] {
  const words = wordsOf(query);
  if (words.length < 2) return [];
  return inventory
    .placed()
    .filter((o) => names(o.name, words))
    .slice(0, WITH_ACTIONS)
    .flatMap((o) => actionsFor(o).map((a) => doing(a, o)));
}

const ofScript = (): Item[] =>
  commands.value.length ? [order("script", t.palette.script, () => download("drover.txt", script(), "text/plain"))] : [];

/** A pool that is to have more: its settings, with the new number in them. */
function more(query: string): Item[] {
  const asked = parseMore(query);
  if (!asked) return [];
  const amount = (asked.field === "mem_reservation_mb" ? gb : ghz)(asked.by);
  const pools = inventory
    .all<Pool>("pool")
    .filter((p) => !p.is_root)
    .map((p) => order(`more-${p.id}`, p.name, () => open("edit-pool", [p], { [asked.field]: p[asked.field] + asked.by })));
  return find(pools, asked.who, MOST).map((x) => ({ ...x, text: t.palette.more(amount, x.text) }));
}

/** Each word the host that it fits best; all of one cluster. */
function loss(query: string): Item[] {
  const words = parseLoss(query);
  const all = inventory.all<Host>("host").map((h) => ({ ...order(h.id, h.name, () => undefined), host: h }));
  const found = words?.map((w) => find(all, w, 1)[0]?.host);
  const first = found?.[0];
  if (!first?.parent || !found?.every((h) => h?.parent === first.parent)) return [];
  const hosts = [...new Set(found as Host[])];
  const cluster = first.parent;
  return [order("loss", t.palette.loss(hosts.map((h) => h.name)), () => go(cluster, "ha", `lost=${hosts.map((h) => h.id).join(",")}`))];
}

/** All guests that a filter matches, at once. */
function many(query: string): Item[] {
  const asked = parseMany(query);
  const test = asked && parseFilter(asked.filter);
  if (!asked || typeof test !== "function") return [];
  const vms = inventory.all<Vm>("vm").filter((vm) => test(rowOf(vm)));
  if (!vms.length) return [];
  const show = order("many", t.palette.show(vms.length, asked.filter), () => go("vms", "", `q=${encodeURIComponent(asked.filter)}`));
  const acts = (vms.length > 1 ? offered(vms) : []).map((a) => {
    const able = vms.filter((vm) => a.fits(vm)).length;
    return order(`many-${a.id}`, t.palette.many(a.title.replace("…", ""), able, asked.filter), () => begin(a, vms));
  });
  return find([show, ...acts], asked.verb, MOST);
}

export function itemsFor(query: string): Item[] {
  const orders = [...more(query), ...loss(query), ...many(query)];
  return [...orders, ...find([...objects.value, ...pages, ...ofScript(), ...actionItems(query)], query, MOST)].slice(0, MOST);
}
