export const gb = (mb: number): string =>
  mb < 1024 ? `${mb} MB` : `${(mb / 1024).toFixed(mb >= 10240 ? 0 : 1)} GB`;

/** A counter's number in a unit that people read. */
export function amount(n: number, unit: string): string {
  if (unit === "bytes") return n < 1048576 ? `${Math.ceil(n / 1024)} KB` : gb(Math.round(n / 1048576));
  if (unit === "us") return `${(n / 1e6).toFixed(1)} s`;
  return String(n);
}

export function ago(iso: string | null, now: number): string {
  if (!iso) return "";
  const s = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

export const clock = (iso: string): string => new Date(iso).toLocaleTimeString([], { hour12: false });
