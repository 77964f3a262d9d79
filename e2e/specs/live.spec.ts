// Numbers sent by a client appear on open pages by themselves.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
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

test("an open list gains the lines of new stats and loses those of deleted ones", async ({ page, fresh }) => {
  await fresh.send([{ stat: "beta", count: 5 }, { stat: "delta", count: 9 }]);
  const [beta, delta] = [await fresh.id("beta"), await fresh.id("delta")];
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats`);
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  const names = page.locator(".stats tbody .name");
  await expect(names).toHaveText(["beta", "delta"]);
  // What stands and what somebody does stays as it is: the same elements, the focus, what was typed, the state.
  await page.getByLabel("Search stats").fill("a");
  await expect(page).toHaveURL(`${fresh.url}/stats?q=a`);
  await expect(page.locator("#found")).toHaveText("2 stats found");
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  await page.evaluate(() => {
    const seen = { left: [] as string[], states: [] as string[] };
    Object.assign(window, { seen, first: document.querySelector(".stats tbody tr") });
    const rows = document.querySelector(".stats tbody")!;
    new MutationObserver((changes) => {
      for (const { removedNodes } of changes) seen.left.push(...[...removedNodes].map((node) => node.textContent!.trim()));
    }).observe(rows, { childList: true });
    const live = document.querySelector("eyrie-live")!;
    new MutationObserver(() => seen.states.push(live.getAttribute("state")!)).observe(live, { attributeFilter: ["state"] });
  });

  await fresh.send([{ stat: "alpha", count: 1 }, { stat: "charlie", value: 2.5 }]);
  await expect(names).toHaveText(["alpha", "beta", "charlie", "delta"]);
  const seen = await page.evaluate(() => {
    const { seen, first } = window as unknown as { seen: { left: string[]; states: string[] }; first: Element };
    return { ...seen, same: document.querySelectorAll(".stats tbody tr")[1] === first, typed: document.activeElement === document.querySelector("#search") };
  });
  expect(seen).toEqual({ left: [], states: [], same: true, typed: true });
  await expect(page.getByLabel("Search stats")).toHaveValue("a");
  await expect(page.getByPlaceholder("Search 4 stats")).toBeVisible();

  // The new lines follow their numbers like the others.
  await fresh.send([{ stat: "alpha", count: 41 }]);
  await expect(page.locator(`[data-figure="${await fresh.id("alpha")}"]`)).toHaveText("42");
  await page.request.post(`${fresh.url}/stats/${delta}/delete`, { headers: { origin: fresh.url } });
  await expect(names).toHaveText(["alpha", "beta", "charlie"]);
  await fresh.send([{ stat: "beta", count: 1 }]);
  await expect(page.locator(`[data-figure="${beta}"]`)).toHaveText("6");
});

test("an empty list of an account becomes one with lines", async ({ page, fresh }) => {
  await fresh.send([{ stat: "only", count: 1 }]);
  const id = await fresh.id("only");
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats?q=more`);
  await expect(page.getByText("No stat has more in its name")).toBeVisible();
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  await fresh.send([{ stat: "one more", count: 1 }]);
  await expect(page.locator(".stats tbody .name")).toHaveText(["one more"]);
  await expect(page.locator(`tr[data-stat="${id}"]`)).toHaveCount(0);
});

test("a quiet page stays live for as long as it hears beats", async ({ page, fresh }) => {
  await fresh.send([{ stat: "a", count: 1 }]);
  const id = await fresh.id("a");
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats/${id}?t=1h1m`);
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  const states = await page.evaluate(() => new Promise<string[]>((resolve) => {
    const [live, seen] = [document.querySelector("eyrie-live")!, [] as string[]];
    new MutationObserver(() => seen.push(live.getAttribute("state")!)).observe(live, { attributeFilter: ["state"] });
    // Longer than the 12 seconds after which a page without a word is stale.
    setTimeout(() => resolve(seen), 16_000);
  }));
  expect(states, "it was live all the time").toEqual([]);
  await expect(page.locator("eyrie-live")).toHaveText("live");
});

test("a page says when it hears nothing, and when it does again", async ({ page, fresh }) => {
  test.setTimeout(90_000);
  await fresh.send([{ stat: "a", count: 1 }]);
  const id = await fresh.id("a");
  await byLink(page, fresh);
  // A stream that stays open and says nothing, as through a proxy that has lost its other end.
  const streams: ServerResponse[] = [];
  const silent = createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.write("event: beat\ndata:\n\n");
    streams.push(answer);
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  await page.route("**/live?*", (route) => route.continue({ url: `http://127.0.0.1:${port}/` }));
  await page.goto(`${fresh.url}/stats/${id}?t=1h1m`);
  const live = page.locator("eyrie-live");
  await expect(live).toHaveAttribute("state", "live");
  const heard = Date.now();
  await expect(live).toHaveAttribute("state", "stale", { timeout: 30_000 });
  expect(Date.now() - heard, "not before two beats are missing").toBeGreaterThan(10_000);
  await expect(live).toHaveText("stale");
  streams.forEach((stream) => stream.write("event: beat\ndata:\n\n"));
  await expect(live).toHaveAttribute("state", "live");
  await page.goto("about:blank");
  await page.unrouteAll();
  silent.closeAllConnections();
  await new Promise((resolve) => silent.close(resolve));
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

test("the tables below a chart grow with its number", async ({ page, fresh }) => {
  await fresh.send([{ stat: "steady", count: 500, t: NOW - 30 }, { stat: "steady", count: 700, t: NOW - 100 }]);
  const id = await fresh.id("steady");
  await byLink(page, fresh);
  await page.request.post(`${fresh.url}/stats/${id}/public`, { headers: { origin: fresh.url }, form: { public: "on" } });
  let [minute, hour] = [500, 1_200];
  for (const path of [`/stats/${id}`, `/s/${id}`]) {
    await page.goto(`${fresh.url}${path}?t=1h1m`);
    await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
    await page.locator("#points summary").click();
    const bars = await page.locator(".histogram").innerHTML();
    // For a minute that the chart has already: neither its first number nor a new minute.
    for (const count of [11, 8_000]) {
      await fresh.send([{ stat: "steady", count, t: NOW - 30 }]);
      [minute, hour] = [minute + count, hour + count];
      await expect(page.locator(".number")).toHaveText(hour.toLocaleString("en"));
      await expect(page.locator(".figures tr", { hasText: "by minute" })).toContainText(hour.toLocaleString("en"));
      await expect(page.locator("#points tbody tr").first()).toContainText(minute.toLocaleString("en"));
    }
    expect(await page.locator(".histogram").innerHTML()).not.toBe(bars);
  }
});

test("a stat opens at a timeframe that fits its age, and compares only with what there is", async ({ page, fresh }) => {
  await fresh.send([{ stat: "young", count: 1 }, { stat: "old", count: 1, t: NOW - 20 * 86_400 }, { stat: "old", count: 2, t: NOW - 600 }]);
  const [young, old] = [await fresh.id("young"), await fresh.id("old")];
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats/${young}`);
  await expect(page.locator('eyrie-range [data-key="h"]')).toHaveAttribute("aria-current", "true");
  await expect(page.locator("figcaption")).toContainText("now");
  await expect(page.getByText("the hour before").first()).toBeHidden();
  await expect(page.locator("figcaption [data-before]")).toBeHidden();
  // Numbers of the hour before come in: now there is something dashed.
  await expect(page.locator('eyrie-live[state="live"]')).toBeVisible();
  await fresh.send([{ stat: "young", count: 3, t: NOW - 4_000 }]);
  await expect(page.locator("figcaption [data-before]")).toBeVisible();

  await page.goto(`${fresh.url}/stats/${old}`);
  await expect(page.locator('eyrie-range [data-key="w"]')).toHaveAttribute("aria-current", "true");
  await expect(page.getByText("Since 1 Nov 2026")).toBeVisible();
  // In its hour chart the empty minutes before its number are zeros: it had begun long ago.
  await page.goto(`${fresh.url}/stats/${old}?t=1h1m`);
  const columns = JSON.parse((await page.locator("eyrie-chart script").textContent())!) as { values: (number | null)[] };
  expect(columns.values.filter((value) => value === 0)).toHaveLength(59);
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
