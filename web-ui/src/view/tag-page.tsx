// Categories and their tags: made, changed, removed, and given to many objects at once.
import { useSignal } from "@preact/signals";
import type { Category, Obj, Tag } from "../net/types.ts";
import { actions } from "../store/actions.ts";
import { inventory } from "../store/collection.ts";
import { lineOf } from "../store/commands.ts";
import { begin } from "../store/dialogs.ts";
import { may, mayOperate } from "../store/session.ts";
import { hasTag, tagPath } from "../store/tags.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Icon } from "../ui/icon.tsx";
import { Sent, useSend } from "../ui/send.tsx";
import { Ref } from "./columns.tsx";
import { type Field, Form } from "./form.tsx";

const taggable = ["vm", "host", "cluster", "pool", "template", "datastore", "network", "folder", "dc"];
/** More than these are found with the filter. */
const LISTED = 200;

const byName = (a: Obj, b: Obj): number => a.name.localeCompare(b.name, "en", { numeric: true });
const nameField: Field = { name: "name", label: t.list.name, type: "text", required: true };
const description: Field = { name: "description", label: t.alarm.what, type: "text" };
const cardinality: Field = {
  name: "cardinality",
  label: t.tags.how,
  type: "choice",
  options: [
    ["single", t.tags.cardinality.single],
    ["multiple", t.tags.cardinality.multiple],
  ],
  help: t.tags.widens,
};

const holders = (tag: string): Obj[] =>
  taggable
    .flatMap((kind) => inventory.all<Obj>(kind))
    .filter((o) => hasTag(o, tag))
    .sort(byName);

/** What has it and what is to have it; only the difference is sent. */
function Assign({ tag, onClose }: { tag: Tag; onClose: () => void }) {
  const before = useSignal(new Set(holders(tag.id).map((o) => o.id)));
  const chosen = useSignal<ReadonlySet<string>>(new Set(before.value));
  const filter = useSignal("");
  const sending = useSend();
  const words = filter.value.toLowerCase();
  const all = taggable.flatMap((kind) => inventory.all<Obj>(kind)).filter((o) => o.name.toLowerCase().includes(words) || o.id === words);
  const list = all.sort((a, b) => Number(before.value.has(b.id)) - Number(before.value.has(a.id)) || byName(a, b)).slice(0, LISTED);
  const turn = (id: string): void => {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  };
  const verb = (word: string, ids: string[]) =>
    ids.length ? [{ method: "POST", path: `/tags/${tag.id}/${word}`, body: { objects: ids } }] : [];
  const requests = [
    ...verb(
      "assign",
      [...chosen.value].filter((id) => !before.value.has(id)),
    ),
    ...verb(
      "unassign",
      [...before.value].filter((id) => !chosen.value.has(id) && inventory.get(id)),
    ),
  ];
  async function submit(e: SubmitEvent): Promise<void> {
    e.preventDefault();
    let done = 0;
    for (const r of requests) await sending.send(r, { done: () => done++ });
    if (done === requests.length) onClose();
  }
  return (
    <Dialog title={t.tags.assign(tagPath(tag.id))} onClose={onClose} wide>
      <form onSubmit={submit} class="fields">
        <input
          type="search"
          aria-label={t.tree.filter}
          placeholder={t.tree.filter}
          value={filter.value}
          onInput={(e) => (filter.value = e.currentTarget.value)}
        />
        <div class="picks" role="group" aria-label={t.tags.objects} tabIndex={0}>
          {list.map((o) => (
            <label key={o.id} class="check">
              <input type="checkbox" checked={chosen.value.has(o.id)} onChange={() => turn(o.id)} /> <Icon name={o.kind} /> {o.name}{" "}
              <span class="dim">{t.kind[o.kind]}</span>
            </label>
          ))}
          {all.length > LISTED && <p class="dim">{t.drop.more(all.length - LISTED)}</p>}
          {!list.length && <p class="dim">{t.tree.none}</p>}
        </div>
        <Sent of={sending} />
        {requests.length > 0 && (
          <p class="line">
            <span class="dim">{t.form.command}</span> <code>{requests.map((r) => lineOf(r.method, r.path, r.body)).join("; ")}</code>
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.form.cancel}
          </button>
          <button type="submit" class="primary" disabled={sending.busy || !requests.length}>
            {t.form.save}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

type Asked =
  | { what: "category"; object: Category | null }
  | { what: "tag"; object: Tag | null; category: Category }
  | { what: "assign"; tag: Tag };

function Edit({ asked, onClose }: { asked: Asked; onClose: () => void }) {
  if (asked.what === "assign") return <Assign tag={asked.tag} onClose={onClose} />;
  const { object: o } = asked;
  const isTag = asked.what === "tag";
  const plural = isTag ? "tags" : "categories";
  const title = o ? `${t.action.edit.replace("…", "")}: ${o.name}` : (isTag ? t.tags.newTag : t.tags.newCategory).replace("…", "");
  return (
    <Form
      title={title}
      fields={isTag ? [nameField, description] : [nameField, cardinality, description]}
      object={o}
      initial={o ? {} : isTag ? {} : { cardinality: "single" }}
      submit={o ? t.form.save : t.form.create}
      request={(body) =>
        o
          ? { method: "PATCH", path: `/${plural}/${o.id}`, body }
          : { method: "POST", path: `/${plural}`, body: isTag ? { ...body, category: asked.category.id } : body }
      }
      onClose={onClose}
    />
  );
}

interface ActsProps {
  object: Obj;
  onEdit: () => void;
}

function Acts({ object: o, onEdit }: ActsProps) {
  const removal = actions.find((a) => a.kind === o.kind && a.id === "remove");
  if (!may("administrator") || !removal) return null;
  return (
    <>
      <button type="button" class="small" aria-label={`${t.action.edit} ${o.name}`} onClick={onEdit}>
        {t.action.edit}
      </button>{" "}
      <button type="button" class="small" aria-label={`${removal.title} ${o.name}`} onClick={() => begin(removal, [o])}>
        {removal.title}
      </button>
    </>
  );
}

const NAMED = 8;

function TagRow({ tag, ask }: { tag: Tag; ask: (a: Asked) => void }) {
  const have = holders(tag.id);
  const category = inventory.get<Category>(tag.parent);
  return (
    <tr data-tag={tag.name}>
      <th scope="row">{tag.name}</th>
      <td class="wrap">{tag.description}</td>
      <td class="wrap">
        {have.slice(0, NAMED).map((o) => (
          <span key={o.id} class="held">
            <Ref id={o.id} />
          </span>
        ))}
        {have.length > NAMED && t.drop.more(have.length - NAMED)}
      </td>
      <td>
        {mayOperate() && (
          <button type="button" class="small" aria-label={`${t.tags.give} ${tagPath(tag.id)}`} onClick={() => ask({ what: "assign", tag })}>
            {t.tags.give}
          </button>
        )}{" "}
        {category && <Acts object={tag} onEdit={() => ask({ what: "tag", object: tag, category })} />}
      </td>
    </tr>
  );
}

export default function TagPage() {
  const asked = useSignal<Asked | null>(null);
  const ask = (a: Asked): void => {
    asked.value = a;
  };
  const categories = inventory.all<Category>("category").sort(byName);
  const tags = inventory.all<Tag>("tag");
  return (
    <div class="body">
      <div class="bar-top">
        <span class="dim">{t.tags.help}</span>
        <span class="grow" />
        {may("administrator") && (
          <button type="button" class="primary" onClick={() => ask({ what: "category", object: null })}>
            {t.tags.newCategory}
          </button>
        )}
      </div>
      {categories.map((c) => (
        <section key={c.id} class="card" aria-label={c.name} tabIndex={0}>
          <div class="bar-top">
            <h2>{c.name}</h2>
            <span class="dim">{t.tags.gives(t.tags.cardinality[c.cardinality])}</span>
            <span>{c.description}</span>
            <span class="grow" />
            {may("administrator") && (
              <button
                type="button"
                class="small"
                aria-label={`${t.tags.newTag} ${c.name}`}
                onClick={() => ask({ what: "tag", object: null, category: c })}
              >
                {t.tags.newTag}
              </button>
            )}
            <Acts object={c} onEdit={() => ask({ what: "category", object: c })} />
          </div>
          <table class="plainrows">
            <thead>
              <tr>
                <th>{t.tags.one}</th>
                <th>{t.alarm.what}</th>
                <th>{t.tags.objects}</th>
                <th>
                  <span class="hidden">{t.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {tags
                .filter((tag) => tag.parent === c.id)
                .sort(byName)
                .map((tag) => (
                  <TagRow key={tag.id} tag={tag} ask={ask} />
                ))}
            </tbody>
          </table>
        </section>
      ))}
      {!categories.length && <p class="empty">{t.tags.none}</p>}
      {asked.value && <Edit asked={asked.value} onClose={() => (asked.value = null)} />}
    </div>
  );
}
