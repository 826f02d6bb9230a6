// Bundles the pages into the folder given (default dist/), each text file also gzipped:
// the server hands out the .gz to browsers that take it.
import { build } from "esbuild";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "dist"));
const budget = { js: 75 * 1024, css: 15 * 1024 };
// xterm.js, in a document that is loaded when somebody opens a terminal.
const own = { terminal: 92 * 1024 };

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx", style: "src/css/style.css", terminal: "src/console/terminal.ts" },
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  metafile: true,
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  logLevel: "warning",
});

const made = Object.keys(result.metafile.outputs).map((p) => p.split("/").pop());
/** What the first script imports before it runs: asked for together with it. */
function preloads(script) {
  const [, { imports }] = Object.entries(result.metafile.outputs).find(([path]) => path.endsWith(script));
  const names = imports.filter((i) => i.kind === "import-statement").map((i) => i.path.split("/").pop());
  return names.map((n) => `<link rel="modulepreload" href="/${n}" />`).join("");
}
const named = (stem, ending) => made.find((n) => n.startsWith(`${stem}-`) && n.endsWith(ending));
for (const [page, script, style] of [
  ["index.html", "app", "style"],
  ["terminal.html", "terminal", "terminal"],
]) {
  const html = await readFile(join(here, page), "utf8");
  const js = named(script, ".js");
  const whole = html.replace("%JS%", js).replace("%CSS%", named(style, ".css")).replace("%PRELOAD%", preloads(js));
  await writeFile(join(out, page), whole);
}
await cp(join(here, "favicon.svg"), join(out, "favicon.svg"));

let failed = false;
for (const name of await readdir(out)) {
  const data = await readFile(join(out, name));
  const gz = gzipSync(data, { level: 9 });
  await writeFile(join(out, `${name}.gz`), gz);
  const limit = (name.endsWith(".js") && own[name.split("-")[0]]) || budget[name.split(".").pop()];
  if (limit && gz.length > limit) {
    console.error(`${name}: ${gz.length} bytes gzipped, the budget is ${limit}`);
    failed = true;
  }
}
process.exit(failed ? 1 : 0);
