// The tags of an object: chips beside its name, and the dialog that gives and takes them.
import { useSignal } from "@preact/signals";
import type { Obj, Tag, Vm } from "../net/types.ts";
import { actionsFor } from "../store/actions.ts";
import { inventory } from "../store/collection.ts";
import { begin } from "../store/dialogs.ts";
import { href } from "../store/route.ts";
import { hasTag, tagBook, tagPath, tagQuery, turnTag } from "../store/tags.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { menuHandlers } from "../ui/menu.tsx";

const findHref = (tag: string): string => href("vms", "", new URLSearchParams({ q: tagQuery(tag) }).toString());

export function EditTags({ objects: asked, onClose }: { objects: Obj[]; onClose: () => void }) {
  const failed = useSignal("");
  const objects = asked.map((o) => inventory.get(o.id)).filter((o) => o !== undefined);
  const turn = (tag: Tag, on: boolean): void => {
    failed.value = "";
    turnTag(objects, tag, on).catch((e: Error) => (failed.value = e.message));
  };
  return (
    <Dialog title={`${t.tags.title}: ${objects.map((o) => o.name).join(", ")}`} onClose={onClose}>
      <div class="fields">
        {tagBook.value.map(({ category, tags }) => (
          <fieldset key={category.id}>
            <legend>{`${category.name} (${t.tags.cardinality[category.cardinality]})`}</legend>
            {tags.map((tag) => {
              const on = objects.every((o) => hasTag(o, tag.id));
              return (
                <label key={tag.id} class="check" title={tag.description ?? ""}>
                  <input
                    type="checkbox"
                    checked={on}
                    indeterminate={!on && objects.some((o) => hasTag(o, tag.id))}
                    onChange={() => turn(tag, !on)}
                  />{" "}
                  {tag.name}
                </label>
              );
            })}
          </fieldset>
        ))}
      </div>
      <p class="problem" role="alert">
        {failed.value}
      </p>
      <div class="buttons">
        <button type="button" onClick={onClose}>
          {t.form.close}
        </button>
      </div>
    </Dialog>
  );
}

/** The tags that guests have; the menu of one is that of all its guests. */
export function TagCard() {
  const guests = inventory.all<Vm>("vm");
  const used = tagBook.value
    .flatMap(({ tags }) => tags)
    .map((tag) => ({ tag, vms: guests.filter((vm) => hasTag(vm, tag.id)) }))
    .filter((x) => x.vms.length);
  if (!used.length) return null;
  return (
    <section class="card" aria-label={t.tags.title}>
      <h2>{t.tags.title}</h2>
      <span class="tags">
        {used.map(({ tag, vms }) => (
          <a key={tag.id} class="tag" href={findHref(tag.id)} title={t.tags.menu} {...menuHandlers(() => vms)}>
            {tagPath(tag.id)} <span class="dim">{vms.length}</span>
          </a>
        ))}
      </span>
    </section>
  );
}

export function Tags({ object }: { object: Obj }) {
  const edit = actionsFor(object).find((a) => a.id === "tags");
  if (!edit && !object.tags?.length) return null;
  return (
    <span class="tags">
      {object.tags?.map((id) => (
        <a key={id} class="tag" href={findHref(id)} title={t.tags.find}>
          {tagPath(id)}
        </a>
      ))}
      {edit && (
        <button type="button" class="small" aria-haspopup="dialog" onClick={() => begin(edit, [object])}>
          {edit.title}
        </button>
      )}
    </span>
  );
}
