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

test("the tables below a chart catch up with the first number", async ({ page, fresh }) => {
  await fresh.send([{ stat: "rare", value: 5, t: NOW - 3 * 86_400 }]);
  const id = await fresh.id("rare");
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats/${id}?t=1h1m`);
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  await expect(page.locator(".histogram")).toContainText("Nothing received");
  const hour = page.locator(".figures tr", { hasText: "by minute" });
  await expect(hour).not.toContainText("7");
  await fresh.send([{ stat: "rare", value: 7 }]);
  await expect(hour).toContainText("7");
  await expect(page.locator(".histogram svg")).toBeVisible();
});

test("a zoom stays when the pointer leaves and news come, until a double click", async ({ page, fresh }) => {
  await fresh.send(Array.from({ length: 50 }, (_, n) => ({ stat: "steps", value: n, t: NOW - n * 60 - 60 })));
  const id = await fresh.id("steps");
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats/${id}?t=1h1m`);
  const chart = page.locator("eyrie-chart.drawn");
  await expect(chart).toBeVisible();
  const box = (await chart.boundingBox())!;
  const picture = async () => (await page.locator("eyrie-chart canvas").first().evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL()));
  const at = async (share: number) => page.mouse.move(box.x + box.width * share, box.y + box.height / 2);
  const whole = await picture();
  await at(0.3);
  await page.mouse.down();
  await at(0.5);
  await page.mouse.up();
  const zoomed = await picture();
  expect(zoomed).not.toBe(whole);
  await page.mouse.move(5, 5);
  expect(await picture(), "as it was").toBe(zoomed);
  await at(0.4);
  await page.mouse.dblclick(box.x + box.width * 0.4, box.y + box.height / 2);
  await page.mouse.move(5, 5);
  expect(await picture(), "the whole again").toBe(whole);
});
