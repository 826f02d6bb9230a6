// What objects are called together, whatever they are: tags, in categories.
import { computed } from "@preact/signals";
import { call } from "../net/api.ts";
import type { Category, Obj, Tag, Vm } from "../net/types.ts";
import { inventory } from "./collection.ts";
import type { Row } from "./filter.ts";

const byName = (a: Obj, b: Obj): number => a.name.localeCompare(b.name, "en", { numeric: true });

/** Environment/prod */
export const tagPath = (id: string): string => {
  const tag = inventory.get<Tag>(id);
  return tag ? `${inventory.name(tag.parent)}/${tag.name}` : id;
};

/** What filters look at of a guest; a tag is called by its name, its path and its id. */
export const rowOf = (vm: Vm): Row => ({
  vm,
  host: inventory.name(vm.host),
  tags: (vm.tags ?? []).flatMap((id) => [inventory.name(id), tagPath(id), id]),
});

/** The filter that finds what has a tag. */
export const tagQuery = (id: string): string => {
  const path = tagPath(id);
  return /\s/.test(path) ? `tag:"${path}"` : `tag:${path}`;
};

/** The categories that have tags, each with them. */
export const tagBook = computed(() =>
  inventory
    .all<Category>("category")
    .sort(byName)
    .map((category) => ({
      category,
      tags: inventory
        .all<Tag>("tag")
        .filter((tag) => tag.parent === category.id)
        .sort(byName),
    }))
    .filter((x) => x.tags.length),
);

export const hasTag = (o: Obj, tag: string): boolean => o.tags?.includes(tag) ?? false;

/** Give objects a tag or take it; one of a category that gives only one takes the other's place. */
export async function turnTag(objects: Obj[], tag: Tag, on: boolean): Promise<void> {
  const ids = (list: Obj[]): object => ({ objects: list.map((o) => o.id) });
  if (on && inventory.get<Category>(tag.parent)?.cardinality === "single")
    for (const other of inventory.all<Tag>("tag").filter((x) => x.parent === tag.parent && x.id !== tag.id)) {
      const have = objects.filter((o) => hasTag(o, other.id));
      if (have.length) await call("POST", `/tags/${other.id}/unassign`, ids(have));
    }
  await call("POST", `/tags/${tag.id}/${on ? "assign" : "unassign"}`, ids(objects));
}
