// Views of a list under names: to go to, to keep, to forget.
import { useSignal } from "@preact/signals";
import { go, route } from "../store/route.ts";
import { say } from "../store/toast.ts";
import { dropView, loadViews, queryOf, saveView, views } from "../store/views.ts";
import { t } from "../text/en.ts";
import { Popup } from "../ui/popup.tsx";

const failed = (e: Error): void => say("error", e.message);

export function Views({ place }: { place: string }) {
  const name = useSignal("");
  const query = queryOf(route.value.query);
  const list = views.value ?? [];
  const now = list.find((v) => v.query === query);
  const keep = (e: SubmitEvent): void => {
    e.preventDefault();
    saveView({ name: name.value.trim(), query })
      .then(() => (name.value = ""))
      .catch(failed);
  };
  return (
    <Popup title={now ? t.list.viewNow(now.name) : t.list.views} onOpen={() => void loadViews().catch(failed)}>
      <ul class="views-kept">
        {list.map((v) => (
          <li key={v.name}>
            <button type="button" class="plain link" aria-current={v === now ? "true" : undefined} onClick={() => go(place, "", v.query)}>
              {v.name}
            </button>
            <button
              type="button"
              class="plain small"
              aria-label={t.list.forget(v.name)}
              onClick={() => void dropView(v.name).catch(failed)}
            >
              ×
            </button>
          </li>
        ))}
        {!list.length && <li class="dim">{t.list.noViews}</li>}
      </ul>
      <form onSubmit={keep}>
        <input
          aria-label={t.list.viewName}
          placeholder={t.list.viewName}
          required
          maxLength={80}
          value={name.value}
          onInput={(e) => (name.value = e.currentTarget.value)}
        />
        <button type="submit">{t.list.keep}</button>
      </form>
    </Popup>
  );
}
