// Which pools get less than their guests want: CPU time that was wanted and not given, memory that was
// taken back.
import { type Stats, latest, poolSums } from "./stats.ts";

export interface Hunger {
  pool: string;
  wantsMhz: number;
  getsMhz: number;
  takenMb: number;
}

const WANTS = "cpu.demand.average";
const GETS = "cpu.usagemhz.average";
const TAKEN = ["mem.vmmemctl.average", "mem.swapped.average"];
/** Less than this is how exactly one can measure. */
const LEAST_MHZ = 50;
const LEAST_SHARE = 0.05;

/** The hungriest first; who has what it wants is left out. */
export function hungry(s: Stats): Hunger[] {
  const of = (pool: string, counter: string): number => latest(s.series.find((x) => x.object === pool && x.counter === counter)?.values);
  const lacks = (h: Hunger): number => (h.wantsMhz ? (h.wantsMhz - h.getsMhz) / h.wantsMhz : 0);
  return [...new Set(s.series.map((x) => x.object))]
    .map((pool) => ({
      pool,
      wantsMhz: Math.round(of(pool, WANTS)),
      getsMhz: Math.round(of(pool, GETS)),
      takenMb: Math.round(TAKEN.reduce((n, c) => n + of(pool, c), 0) / 1024),
    }))
    .filter((h) => (lacks(h) > LEAST_SHARE && h.wantsMhz - h.getsMhz > LEAST_MHZ) || h.takenMb > 0)
    .sort((a, b) => lacks(b) - lacks(a) || b.takenMb - a.takenMb);
}

export const lookForHunger = (): Promise<Hunger[]> => poolSums([WANTS, GETS, ...TAKEN]).then(hungry);
