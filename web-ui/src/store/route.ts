// Where one is: #/place/tab?query. A place is an object's id or a page's name. Links, reload and the
// browser's own buttons work because nothing else remembers it.
import { signal } from "@preact/signals";

export interface Route {
  place: string;
  tab: string;
  query: URLSearchParams;
}

export const HOME = "home";

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [place = "", tab = ""] = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { place: place || HOME, tab, query: new URLSearchParams(query) };
}

export function href(place: string, tab = "", query = ""): string {
  return `#/${encodeURIComponent(place)}${tab ? `/${encodeURIComponent(tab)}` : ""}${query ? `?${query}` : ""}`;
}

export const route = signal<Route>(parseRoute(globalThis.location?.hash ?? ""));

export function go(place: string, tab = "", query = ""): void {
  location.hash = href(place, tab, query);
}

/** Change what follows the question mark, without a step back for each key that is typed. */
export function setQuery(key: string, value: string): void {
  const next = new URLSearchParams(route.value.query);
  if (value) next.set(key, value);
  else next.delete(key);
  history.replaceState(null, "", href(route.value.place, route.value.tab, next.toString()));
  route.value = parseRoute(location.hash);
}

export function followAddress(): void {
  window.addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
  });
}
