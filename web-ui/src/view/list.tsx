// The list of one kind; also as a tab of an object, of what belongs to it.
import { useComputed } from "@preact/signals";
import type { Obj } from "../net/types.ts";
import { inventory } from "../store/collection.ts";
import { t } from "../text/en.ts";
import { ObjectTable } from "../ui/table.tsx";
import { columnsOf } from "./columns.tsx";

export function ObjectList({ kind, label, of }: { kind: string; label: string; of?: (o: Obj) => boolean }) {
  const objects = useComputed(() => inventory.all(kind).filter((o) => !of || of(o)));
  return <ObjectTable label={label} objects={objects} columns={columnsOf[kind] ?? []} empty={t.list.none} />;
}

export function ListPage({ kind, title }: { kind: string; title: string }) {
  return (
    <section class="page list" aria-labelledby="title">
      <header class="bar-top">
        <h1 id="title">{title}</h1>
      </header>
      <ObjectList kind={kind} label={title} />
    </section>
  );
}
