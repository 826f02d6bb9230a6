// Figures of balance that the pages work out themselves. Pure.
export interface HostLoad {
  cpu: number;
  memory: number;
}

/** Population standard deviation. */
export function deviation(loads: number[]): number {
  if (!loads.length) return 0;
  const mean = loads.reduce((a, b) => a + b, 0) / loads.length;
  return Math.sqrt(loads.reduce((a, b) => a + (b - mean) ** 2, 0) / loads.length);
}

/** 100: all hosts are loaded alike. */
export const drsScore = (cpu: number, memory: number): number => Math.max(0, Math.round(100 * (1 - Math.max(cpu, memory))));
