// What the palette understands besides names: how much more a pool gets, what if hosts were lost, and
// what to do to all guests that a filter matches. Pure.
export interface More {
  /** Words of the pool's name. */
  who: string;
  field: "mem_reservation_mb" | "cpu_reservation_mhz";
  by: number;
}

const units: Record<string, [field: More["field"], factor: number]> = {
  m: ["mem_reservation_mb", 1],
  g: ["mem_reservation_mb", 1024],
  t: ["mem_reservation_mb", 1048576],
  mhz: ["cpu_reservation_mhz", 1],
  ghz: ["cpu_reservation_mhz", 1000],
};

/** “prod +8g”: memory; “prod +2ghz”: CPU. */
export function parseMore(query: string): More | null {
  const m = /^(.*\S)\s*\+\s*(\d+(?:\.\d+)?)\s*(m|g|t|mhz|ghz)b?$/i.exec(query.trim());
  const unit = units[m?.[3]?.toLowerCase() ?? ""];
  return m?.[1] && unit ? { who: m[1], field: unit[0], by: Math.round(Number(m[2]) * unit[1]) } : null;
}

/** “if h1 h3”, “lose host-1 host-3”: the words for the hosts. */
export function parseLoss(query: string): string[] | null {
  const [verb, ...hosts] = query.toLowerCase().replaceAll(/[+,]/g, " ").split(/\s+/).filter(Boolean);
  return hosts.length && /^(if|lose|losing|lost|survive|without)$/.test(verb ?? "") ? hosts : null;
}

/** “migrate tag:prod” or “migrate #prod”: what is asked for, and of whom in the filter's language. */
export function parseMany(query: string): { verb: string; filter: string } | null {
  const words = query.split(/\s+/).filter(Boolean);
  const isTerm = (w: string): boolean => /^-?(#\S|[a-z_]+(:|[<>]=?)\S)/i.test(w);
  const terms = words.filter(isTerm).map((w) => w.replace(/^(-?)#/, "$1tag:"));
  return terms.length ? { verb: words.filter((w) => !isTerm(w)).join(" "), filter: terms.join(" ") } : null;
}
