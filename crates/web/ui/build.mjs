// Bundles the interface into one flat folder: `node build.mjs DIST`.
//
// DIST then holds hashed files (immutable in caches), a brotli twin `NAME.br` of each that gains by
// it, and `manifest.txt` with a line `LOGICAL HASHED` for each file that a template may name.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const BROTLI_GAIN_MIN = 0.9;
const dist = process.argv[2];
if (!dist) {
  console.error("usage: node build.mjs DIST");
  process.exit(2);
}
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

const result = await build({
  entryPoints: ["src/main.ts", "styles/main.css", "src/nsqadmin.ts", "styles/nsqadmin.css"],
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox128", "safari17.5"],
  minify: true,
  legalComments: "none",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file" },
  metafile: true,
  logLevel: "warning",
});

const manifest = [];
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  const hashed = basename(path);
  const source = output.entryPoint ?? Object.keys(output.inputs)[0] ?? hashed;
  const logical = extname(hashed) === ".js" || extname(hashed) === ".css"
    ? (output.entryPoint ? basename(source).replace(/\.ts$/, ".js") : hashed)
    : basename(source);
  manifest.push([logical, hashed]);
}
for (const name of await readdir("images")) {
  const bytes = await readFile(join("images", name));
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
  const hashed = `${basename(name, extname(name))}-${hash}${extname(name)}`;
  await writeFile(join(dist, hashed), bytes);
  manifest.push([name, hashed]);
}
// TrueType for the painter of PNGs, which reads no WOFF2.
const fonts = "node_modules/@expo-google-fonts/inter";
for (const [name, from] of [["inter-400.ttf", "400Regular/Inter_400Regular.ttf"], ["inter-600.ttf", "600SemiBold/Inter_600SemiBold.ttf"]]) {
  await writeFile(join(dist, name), await readFile(join(fonts, from)));
  manifest.push([name, name]);
}
for (const [, name] of manifest.filter(([, name]) => extname(name) !== ".ttf")) {
  const bytes = await readFile(join(dist, name));
  const packed = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  if (packed.length < bytes.length * BROTLI_GAIN_MIN) await writeFile(join(dist, `${name}.br`), packed);
}
manifest.sort(([a], [b]) => (a < b ? -1 : 1));
await writeFile(join(dist, "manifest.txt"), manifest.map((line) => line.join(" ") + "\n").join(""));
