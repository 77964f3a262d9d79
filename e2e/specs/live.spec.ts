// Numbers sent by a client appear on open pages by themselves.
import { byLink, expect, test } from "../support/fixtures.ts";
import { NOW } from "../support/server.ts";

test("the first number turns the empty page into its chart", async ({ page, fresh }) => {
  await byLink(page, fresh);
  await expect(page).toHaveURL(`${fresh.url}/stats`);
  await expect(page.getByText(`ezkey=${fresh.owner.ez_key}`).first()).toBeVisible();
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();

  // As the page's own line of curl does.
  const answer = await fetch(`${fresh.url}/ez`, {
    method: "POST",
    body: new URLSearchParams({ stat: "hello", count: "1", ezkey: fresh.owner.ez_key }),
  });
  expect(await answer.text()).toBe('{"status":200,"msg":"ok"}');

  await expect(page).toHaveURL(/\/stats\/\w+\?t=1h1m/);
  await expect(page.getByRole("heading", { name: "hello" })).toBeVisible();
  await expect(page.locator("eyrie-chart.drawn")).toBeVisible();
  await expect(page.locator(".number")).toHaveText("1");
});

test("an open chart grows and its number with it", async ({ page, fresh }) => {
  await fresh.send([{ stat: "signups", count: 5, t: NOW - 600 }]);
  const id = await fresh.id("signups");
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats/${id}?t=1h1m`);
  await expect(page.locator("eyrie-chart.drawn")).toBeVisible();
  await expect(page.locator(".number")).toHaveText("5");
  const canvas = page.locator("eyrie-chart canvas");
  const before = await canvas.screenshot();
  const place = await page.locator(".chart-card").boundingBox();

  await fresh.send([{ stat: "signups", count: 37, t: NOW - 30 }]);
  await expect(page.locator(".number")).toHaveText("42");
  await expect.poll(async () => before.equals(await canvas.screenshot())).toBe(false);
  expect(await page.locator(".chart-card").boundingBox(), "nothing moves").toEqual(place);
  await expect(page.locator("eyrie-live")).toHaveText("live");
});

test("the list follows too", async ({ page, fresh }) => {
  await fresh.send([{ stat: "signups", count: 5 }, { stat: "logins", count: 9 }]);
  const id = await fresh.id("signups");
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats`);
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  await fresh.send([{ stat: "signups", count: 2_000 }]);
  await expect(page.locator(`[data-figure="${id}"]`)).toHaveText("2,005");
});

test("a page says when its server is gone", async ({ page, fresh }) => {
  await byLink(page, fresh);
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  await page.route("**/live", (route) => route.abort());
  await page.evaluate(() => dispatchEvent(new Event("pagehide")));
  await page.evaluate(() => dispatchEvent(new Event("pageshow")));
  await expect(page.locator('eyrie-live[state="offline"]')).toBeVisible();
  await page.unrouteAll();
});
