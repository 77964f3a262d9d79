// Reads cases from the standard input, draws their axes as the browser does, and names those that differ
// from what the server made of them: `TZ=UTC node axes.mjs < CASES`. Run by chart/browser.rs.
import { build } from "esbuild";
import { readFileSync } from "node:fs";

const bundled = await build({
  stdin: { contents: 'export * from "./src/calendar.ts"; export * from "./src/scale.ts";', resolveDir: "." },
  bundle: true, format: "esm", write: false,
});
const { scaleOf, ticks } = await import(`data:text/javascript;base64,${Buffer.from(bundled.outputFiles[0].contents).toString("base64")}`);
const { scales, times } = JSON.parse(readFileSync(0, "utf8"));

function compare(what, ours, servers) {
  if (JSON.stringify(ours) === JSON.stringify(servers)) return;
  console.error(`${what}\n  browser ${JSON.stringify(ours)}\n  server  ${JSON.stringify(servers)}`);
  process.exitCode = 1;
}
for (const { counter, figures, lines, scale } of scales) {
  const { low, high, ticks, labels } = scaleOf(counter, figures, lines);
  compare(`figures ${figures}, ${lines} lines`, [low, high, ticks, labels], scale);
}
for (const { start, end, width, labels } of times) {
  const shown = ticks(start, end, width).map(({ at, text }) => [at, text]);
  compare(`times ${start} to ${end} on ${width} pixels`, shown, labels);
}
console.log(`${scales.length + times.length} axes`);
