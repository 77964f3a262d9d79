// Every page as people see it: a picture kept in git, and what axe says. In light, dark and on a phone.
import type { Page } from "@playwright/test";
import { faults } from "../support/axe.ts";
import { byLink, expect, signedIn, test } from "../support/fixtures.ts";
import { COUNTER, VALUE } from "../support/seed.ts";

async function look(page: Page, name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  if (await page.locator("eyrie-chart").count()) await expect(page.locator("eyrie-chart.drawn")).toBeVisible();
  if (await page.locator("eyrie-live").count()) await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  expect(await faults(page)).toEqual([]);
  await expect(page).toHaveScreenshot(`${name}.png`, { fullPage: true, mask: [page.locator("[data-secret]")] });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide, "nothing is wider than the window").toBeLessThanOrEqual(0);
}

test("sign-in", async ({ page, seeded }) => {
  await page.goto(`${seeded.url}/signin`);
  await look(page, "sign-in");
});

test("an empty account", async ({ page, fresh }) => {
  await byLink(page, fresh);
  await expect(page.getByRole("heading", { name: "Send your first number" })).toBeVisible();
  // The address holds a port that is another one each time.
  await page.evaluate(() => {
    for (const code of document.querySelectorAll("pre code")) code.textContent = code.textContent!.replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:8080");
  });
  await look(page, "empty");
});

test("the list", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats`);
  await expect(page.locator(".stats tbody tr")).toHaveCount(30);
  await expect(page.locator("[data-received]").first()).toBeVisible();
  await look(page, "list");
});

test("a counter", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats/${await seeded.id(COUNTER)}`);
  await expect(page.getByRole("textbox", { name: /^Timeframe/ })).toBeVisible();
  await look(page, "counter");
});

test("a counter in bars", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats/${await seeded.id(COUNTER)}?t=1d1h`);
  await look(page, "bars");
});

test("a value with a gap", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats/${await seeded.id(VALUE)}`);
  await look(page, "value");
});

test("the first paint without scripts", async ({ browser, seeded }, info) => {
  const { colorScheme, viewport, deviceScaleFactor, isMobile } = info.project.use;
  const context = await browser.newContext({
    javaScriptEnabled: false, colorScheme, viewport, deviceScaleFactor, isMobile, locale: "en-GB", timezoneId: "UTC",
  });
  const page = await context.newPage();
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats/${await seeded.id(VALUE)}`);
  await expect(page.locator("eyrie-chart svg.chart:visible")).toHaveCount(1);
  await expect(page).toHaveScreenshot("first-paint.png");
  await context.close();
});

test("settings", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/settings`);
  // Keys are other ones each time.
  await page.evaluate(() => {
    for (const id of ["user-key", "access-token"]) (document.getElementById(id) as HTMLInputElement).value = "a".repeat(32);
  });
  await look(page, "settings");
});

test("the trash", async ({ page, fresh }) => {
  await fresh.send([{ stat: "old orders", count: 4 }, { stat: "old latency", value: 120 }]);
  await byLink(page, fresh);
  for (const name of ["old orders", "old latency"]) {
    await page.goto(`${fresh.url}/stats/${await fresh.id(name)}`);
    await page.getByRole("button", { name: "Move to trash" }).click();
    await expect(page.getByText("is in the trash for 48 hours")).toBeVisible();
  }
  await page.goto(`${fresh.url}/stats/trash`);
  await look(page, "trash");
});

test("a page that is not there", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats/nothing`);
  await look(page, "missing");
});
