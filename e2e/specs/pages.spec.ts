// What people do: find, choose a timeframe, share, change settings, delete and take back.
import { byLink, expect, signedIn, test } from "../support/fixtures.ts";
import { COUNTER } from "../support/seed.ts";

test("signing in by the link, and out", async ({ page, fresh }) => {
  await page.goto(`${fresh.url}/settings`);
  await expect(page).toHaveURL(/\/signin\?next=%2Fsettings/);
  await byLink(page, fresh);
  await expect(page).toHaveURL(`${fresh.url}/stats`);
  await page.goto(`${fresh.url}/settings`);
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByLabel("Once more").fill("correct horse battery");
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByText("The password is set.")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(`${fresh.url}/signin?next=%2Fsettings`);
  await page.getByLabel("Email").fill(fresh.owner.email);
  await page.getByLabel("Password").fill("wrong horse battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL(`${fresh.url}/settings`);
  await page.goto(`${fresh.url}/signin/${fresh.owner.signin_secret}`);
  await expect(page, "a used link leads who is signed in to the stats").toHaveURL(`${fresh.url}/stats`);
});

test("searching and ordering the list", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats`);
  await page.getByLabel("Search stats").fill("CPU load");
  await page.getByLabel("Search stats").press("Enter");
  await expect(page).toHaveURL(/q=CPU\+load/);
  await expect(page.locator(".stats tbody tr")).toHaveCount(2);
  await page.goto(`${seeded.url}/stats`);
  await page.getByRole("link", { name: "Largest" }).click();
  await expect(page.locator(".stats tbody tr").first()).toContainText("api requests");
  await page.getByRole("link", { name: /^api requests/ }).click();
  await expect(page.getByRole("heading", { level: 1, name: "api requests" })).toBeVisible();
});

test("timeframes are in the address and in the history", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  const url = `${seeded.url}/stats/${await seeded.id(COUNTER)}`;
  await page.goto(url);
  await page.getByRole("navigation", { name: "Timeframe" }).getByRole("link", { name: "month" }).click();
  await expect(page).toHaveURL(`${url}?t=1M6h`);
  await expect(page.getByText("total of the last month")).toBeVisible();
  await page.getByLabel(/^Timeframe: a duration/).fill("3d1h");
  await page.getByLabel(/^Timeframe: a duration/).press("Enter");
  await expect(page).toHaveURL(`${url}?t=3d1h`);
  await expect(page.getByText("3 days @ 1 hour")).toBeVisible();
  await page.goBack();
  await expect(page.getByText("1 month @ 6 hours")).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(url);
});

test("a public link shows one stat to everybody, until it is taken back", async ({ page, fresh, browser }) => {
  await fresh.send([{ stat: "signups", count: 5 }]);
  const id = await fresh.id("signups");
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats/${id}`);
  await page.getByRole("button", { name: "Make it public" }).click();
  const address = await page.getByLabel("Page", { exact: true }).inputValue();
  expect(address).toBe(`${fresh.url}/s/${id}`);

  const stranger = await (await browser.newContext()).newPage();
  await stranger.goto(address);
  await expect(stranger.getByRole("heading", { name: "signups" })).toBeVisible();
  await expect(stranger.locator('eyrie-live[state="live"]')).toBeVisible();
  const image = await page.getByLabel("Picture").inputValue();
  expect((await (await fetch(image)).text()).startsWith("<svg")).toBe(true);

  await page.getByRole("button", { name: "Make it private again" }).click();
  await expect(page.getByRole("button", { name: "Make it public" })).toBeVisible();
  expect((await fetch(address)).status).toBe(404);
  expect((await fetch(image)).status).toBe(404);
  await stranger.context().close();
});

test("a deleted stat is taken back by one click", async ({ page, fresh }) => {
  await fresh.send([{ stat: "oops", count: 5 }]);
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/stats/${await fresh.id("oops")}`);
  await page.getByRole("button", { name: "Move to trash" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("heading", { name: "oops" })).toBeVisible();
  await page.getByRole("button", { name: "Move to trash" }).click();
  await page.goto(`${fresh.url}/stats/trash`);
  await page.getByRole("button", { name: "Restore oops" }).click();
  await expect(page.getByRole("heading", { name: "oops" })).toBeVisible();
});

test("the list follows the search field while one types", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats`);
  const names = page.locator(".stats tbody .name");
  await expect(names).toHaveCount(30);
  const search = page.getByLabel("Search stats");
  await search.pressSequentially("cpu load");
  await expect(names).toHaveText(["cpu load web-1", "cpu load web-2"]);
  await expect(page).toHaveURL(`${seeded.url}/stats?q=cpu+load`);
  await expect(search).toBeFocused();
  await expect(page.getByRole("link", { name: "Largest" })).toHaveAttribute("href", /q=cpu(%20|\+)load/);
  await search.pressSequentially(" nowhere");
  await expect(page.getByText("No stat has cpu load nowhere in its name")).toBeVisible();
  await search.fill("");
  await expect(names).toHaveCount(30);
  await expect(page).toHaveURL(`${seeded.url}/stats`);
});

test("another EZ key, and clients with a wrong one are shown", async ({ page, fresh }) => {
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/settings`);
  await page.getByLabel("EZ key").fill("a-new-key");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("The EZ key is saved.")).toBeVisible();
  await fetch(`${fresh.url}/ez?ezkey=somebodys-old-key&stat=lost&count=1`);
  await page.goto(`${fresh.url}/settings`);
  await expect(page.getByLabel("EZ key")).toHaveValue("a-new-key");
  await expect(page.locator("#unknown")).toContainText("somebodys-old-key");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy" }).first().click();
  await expect(page.getByText("Copied")).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("a-new-key");
});

test("what a form of the settings gets wrong is said beside its field", async ({ page, fresh }) => {
  await byLink(page, fresh);
  await page.goto(`${fresh.url}/settings`);
  await expect(page.locator("#password")).toContainText("At least 8 characters.");
  // The browser knows these by itself: nothing is sent, nothing is lost.
  await page.getByLabel("Password", { exact: true }).fill("correct horse");
  await page.getByLabel("Once more").fill("correct house");
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page).toHaveURL(`${fresh.url}/settings`);
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue("correct horse");
  expect(await page.getByLabel("Once more").evaluate((input: HTMLInputElement) => input.validationMessage)).toContain("differ");
  await page.getByLabel("Once more").fill("correct horse");
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByText("The password is set.")).toBeVisible();
  // These only the server knows.
  await page.getByLabel("EZ key").fill("with~wave");
  await page.getByRole("button", { name: "Save" }).click();
  const key = page.getByLabel("EZ key");
  await expect(key).toHaveValue("with~wave");
  await expect(key).toBeFocused();
  await expect(key).toHaveAccessibleDescription(/An EZ key cannot have '~'/);
  await expect(page.getByRole("alert")).toHaveCount(1);
  // Its address, asked for again, leads to the settings.
  await page.goto(page.url());
  await expect(page).toHaveURL(`${fresh.url}/settings`);
  await expect(key).not.toHaveValue("with~wave");
});

test("everything works by the keyboard", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.goto(`${seeded.url}/stats`);
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search stats")).toBeFocused();
  await page.keyboard.type("signups");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/q=signups/);
  await page.waitForLoadState("load");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "signups" })).toBeVisible();
  await page.waitForLoadState("load");

  await page.keyboard.press("y");
  await expect(page).toHaveURL(/t=1y1d/);
  await expect(page.locator("eyrie-chart.drawn")).toBeVisible();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  await expect(page.locator(".readout.shown")).toContainText("UTC");
  await page.keyboard.press("t");
  await expect(page.getByRole("region", { name: "Points" })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("latency");
  await expect(page.getByRole("option", { name: /api latency ms/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "api latency ms" })).toBeVisible();
  await page.waitForLoadState("load");
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(page).toHaveURL(`${seeded.url}/stats`);
});

test("paper gets the numbers and the charts, in ink", async ({ page, seeded }) => {
  await signedIn(page, seeded);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(`${seeded.url}/stats/${await seeded.id(COUNTER)}`);
  await expect(page.locator("eyrie-chart.drawn")).toBeVisible();
  const ink = () => page.evaluate(() => {
    const { backgroundColor, color } = getComputedStyle(document.documentElement);
    return { backgroundColor, color, chart: document.querySelector<HTMLCanvasElement>("eyrie-chart canvas")!.toDataURL() };
  });
  const screen = await ink();
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const dark = await ink();
  expect(dark).toMatchObject({ backgroundColor: "rgb(255, 255, 255)", color: "rgb(0, 0, 0)" });
  expect(dark.chart).not.toBe(screen.chart);
  await page.emulateMedia({ media: "print", colorScheme: "light" });
  expect((await ink()).chart, "a dark screen prints as a light one").toBe(dark.chart);
  await expect(page.getByRole("heading", { name: COUNTER })).toBeVisible();
  for (const shown of ["eyrie-chart canvas", ".number", ".figures"]) await expect(page.locator(shown).first()).toBeVisible();
  for (const hidden of [".top nav", "eyrie-palette", "eyrie-live", "eyrie-range", ".copy", ".foot form"]) {
    for (const one of await page.locator(hidden).all()) await expect(one, hidden).toBeHidden();
  }
  await page.goto(`${seeded.url}/stats`);
  await expect(page.locator(".stats tbody tr")).toHaveCount(30);
  await expect(page.locator(".tools")).toBeHidden();
});
