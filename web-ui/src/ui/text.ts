export const gb = (mb: number): string =>
  mb < 1024 ? `${mb} MB` : mb < 1048576 ? `${(mb / 1024).toFixed(mb >= 10240 ? 0 : 1)} GB` : `${(mb / 1048576).toFixed(1)} TB`;

export const ghz = (mhz: number): string => (mhz < 1000 ? `${mhz} MHz` : `${(mhz / 1000).toFixed(1)} GHz`);
/** MHz or MB, as the resource is counted. */
export const textOf = { cpu: ghz, memory: gb };
export const bytes = (n: number): string => (n < 1048576 ? `${Math.ceil(n / 1024)} KB` : gb(Math.round(n / 1048576)));
export const percent = (part: number, whole: number): number => (whole > 0 ? Math.round((100 * part) / whole) : 0);

/** A counter's number in a unit that people read. */
export function amount(n: number, unit: string): string {
  if (unit === "bytes") return bytes(n);
  if (unit === "us") return `${(n / 1e6).toFixed(1)} s`;
  return String(n);
}

export const clock = (iso: string): string => new Date(iso).toLocaleTimeString([], { hour12: false });
export const moment = (iso: string | null): string => (iso ? new Date(iso).toLocaleString([], { hour12: false }) : "");

/** A table as a file for spreadsheets; what would be taken for a formula there is made text. */
export function csv(rows: (string | number)[][]): string {
  const cell = (v: string | number): string => {
    const text = typeof v === "string" && /^[=+\-@]/.test(v) ? `'${v}` : String(v);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((r) => `${r.map(cell).join(",")}\r\n`).join("");
}

export function download(name: string, text: string, type = "text/csv"): void {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob([text], { type }));
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}
