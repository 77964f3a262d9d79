// What axe finds wrong with a page, in words.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";
import type { AxeResults } from "axe-core";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** One line for each violation of WCAG AA or of good practice; empty: none. */
export async function faults(page: Page): Promise<string[]> {
  // Evaluated by the browser itself, so the page's policy does not forbid it.
  await page.evaluate(SOURCE);
  const results = (await page.evaluate("axe.run(document)")) as AxeResults;
  return results.violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")} ${node.any[0]?.message ?? ""}`));
}
