import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../net/api.ts";
import type { EventItem } from "../net/types.ts";
import { type EventFilter, eventQuery, passes } from "../store/event-filter.ts";
import { events } from "../store/events.ts";
import { href } from "../store/route.ts";
import { t } from "../text/en.ts";
import { Failed, Loading } from "../ui/load.tsx";
import { moment } from "../ui/text.ts";

const AT_ONCE = 100;
const ALL: EventFilter = { types: "", user: "" };
const tones: Record<string, [string, string]> = { info: ["", ""], warning: ["▲ ", "warn"], error: ["✕ ", "bad"] };

export function EventRows({ list }: { list: EventItem[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{t.event.time}</th>
          <th>{t.event.text}</th>
          <th>{t.event.object}</th>
          <th>{t.event.user}</th>
          <th>{t.event.type}</th>
        </tr>
      </thead>
      <tbody>
        {list.map((e) => {
          const [glyph, tone] = tones[e.severity] ?? ["", ""];
          return (
            <tr key={e.id}>
              <td class="mono">{moment(e.time)}</td>
              <td>
                <span class={tone}>
                  {glyph}
                  {e.message}
                </span>
              </td>
              <td>{e.entity && !e.entity.startsWith("user-") ? <a href={href(e.entity)}>{e.entity_name}</a> : e.entity_name}</td>
              <td>{e.user}</td>
              <td class="dim">{e.type}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

interface Answer {
  items: EventItem[];
  next: string | null;
}

/** Of one object, or of all; older ones are fetched as they are asked for, newer ones come by themselves. */
export function EventList({ entity, filter = ALL }: { entity: string; filter?: EventFilter }) {
  const list = useSignal<EventItem[] | null>(null);
  const next = useSignal<string | null>(null);
  const failed = useSignal<Error | null>(null);
  const load = (path: string, before: EventItem[]): void => {
    failed.value = null;
    call<Answer>("GET", path)
      .then((a) => {
        list.value = [...before, ...a.items];
        next.value = a.next && a.items.length === AT_ONCE ? a.next.replace("/api/v1", "") : null;
      })
      .catch((e: Error) => (failed.value = e));
  };
  const first = `/events?limit=${AT_ONCE}${entity ? `&entity=${entity}` : ""}${eventQuery(filter)}`;
  useEffect(() => {
    list.value = null;
    load(first, []);
  }, [first]);
  if (failed.value) return <Failed error={failed.value} retry={() => load(first, [])} />;
  if (!list.value) return <Loading />;
  const known = new Set(list.value.map((e) => e.id));
  const fresh = events.value.filter(
    (e) => (!entity || e.entity === entity) && passes(e, filter) && !known.has(e.id) && (!list.value?.[0] || e.time >= list.value[0].time),
  );
  const all = [...fresh, ...list.value];
  if (!all.length) return <p class="empty">{t.event.none}</p>;
  return (
    <div class="scroll" role="group" tabIndex={0} aria-label={t.dock.events}>
      <EventRows list={all} />
      {next.value && (
        <button type="button" onClick={() => load(next.value ?? first, list.value ?? [])}>
          {t.event.more}
        </button>
      )}
    </div>
  );
}
