import { signal } from "@preact/signals";
import type { EventItem } from "../net/types.ts";
import type { Sink } from "../net/watch.ts";

const KEPT = 200;

/** Newest first. */
export const events = signal<EventItem[]>([]);

export const eventSink: Sink = {
  snapshot(items) {
    events.value = items as EventItem[];
  },
  delta() {},
  item(item) {
    events.value = [item as EventItem, ...events.value].slice(0, KEPT);
  },
};
