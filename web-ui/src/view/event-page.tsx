// All events, narrowed by what happened and by who caused it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { events } from "../store/events.ts";
import { route, setQuery } from "../store/route.ts";
import { t } from "../text/en.ts";
import { EventList } from "./events.tsx";

const PAUSE_MS = 300;

export default function EventPage() {
  const { query } = route.value;
  const filter = { types: query.get("types") ?? "", user: query.get("user") ?? "" };
  const settled = useSignal(filter);
  // The server is asked when nothing was typed for a moment.
  useEffect(() => {
    const timer = setTimeout(() => (settled.value = filter), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [filter.types, filter.user]);
  const known = new Set(events.value.map((e) => e.type));
  return (
    <>
      <div class="bar-top">
        <input
          id="filter"
          type="search"
          list="event-types"
          aria-label={t.event.types}
          placeholder={t.event.types}
          value={filter.types}
          onInput={(e) => setQuery("types", e.currentTarget.value)}
        />
        <datalist id="event-types">
          {["error", "warning", ...[...known].sort()].map((x) => (
            <option key={x} value={x} />
          ))}
        </datalist>
        <input
          type="search"
          aria-label={t.event.byUser}
          placeholder={t.event.byUser}
          value={filter.user}
          onInput={(e) => setQuery("user", e.currentTarget.value)}
        />
      </div>
      <EventList entity="" filter={settled.value} />
    </>
  );
}
