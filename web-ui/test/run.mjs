// Bundles each *.test.ts and hands it to node's own test runner.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = await mkdtemp(join(tmpdir(), "drover-web-"));
const names = (await readdir(here)).filter((n) => n.endsWith(".test.ts"));
await build({
  entryPoints: names.map((n) => join(here, n)),
  outdir: out,
  bundle: true,
  platform: "node",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  logLevel: "warning",
});
const files = names.map((n) => join(out, n.replace(/\.ts$/, ".mjs")));
const ran = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit", env: { ...process.env, WEB_TEST_DIR: here } });
await rm(out, { recursive: true, force: true });
process.exit(ran.status ?? 1);
