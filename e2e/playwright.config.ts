// Eyrie's pages in Debian's Chromium. Each worker starts the binary EYRIE_BIN by itself, on port 0,
// with a seeded data folder and a clock that stands still: `cargo xtask e2e`.
import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

/** Looked at in every project; everything else once is enough. */
const LOOKS = /looks\.spec\.ts/;

export default defineConfig({
  testDir: "specs",
  outputDir: "test-results",
  snapshotPathTemplate: "baselines/{projectName}/{arg}{ext}",
  fullyParallel: false,
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  timeout: 45_000,
  reporter: [["list"]],
  expect: {
    timeout: 10_000,
    toHaveScreenshot: { animations: "disabled", caret: "hide", maxDiffPixelRatio: 0.01, threshold: 0.2 },
  },
  use: {
    locale: "en-GB",
    timezoneId: "UTC",
    viewport: { width: 1200, height: 900 },
    contextOptions: { reducedMotion: "reduce" },
    launchOptions: { executablePath: CHROMIUM, args: ["--no-sandbox", "--font-render-hinting=none", "--disable-lcd-text"] },
    trace: "retain-on-failure",
  },
  projects: [
    { name: "light", use: { colorScheme: "light" } },
    { name: "dark", use: { colorScheme: "dark" }, testMatch: LOOKS },
    { name: "phone", use: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }, testMatch: LOOKS },
  ],
});
