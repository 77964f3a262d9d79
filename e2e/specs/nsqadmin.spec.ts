// nsqadmin in front of a real nsqd and nsqlookupd: what people see happen, and make happen.
import { type Page, test as base, expect } from "@playwright/test";
import { Program } from "../support/nsq.ts";

interface Running {
  lookupd: Program;
  nsqd: Program;
  admin: Program;
}

const test = base.extend<object, { running: Running }>({
  running: [
    async ({}, use) => {
      const local = ["--http-address=127.0.0.1:0", "--tcp-address=127.0.0.1:0"];
      const lookupd = await Program.start("nsqlookupd", local, ["HTTP", "TCP"]);
      const nsqd = await Program.start(
        "nsqd",
        [...local, "--broadcast-address=127.0.0.1", `--lookupd-tcp-address=${lookupd.address.TCP}`, "--data-path=."],
        ["HTTP", "TCP"],
      );
      const admin = await Program.start(
        "nsqadmin", ["--http-address=127.0.0.1:0", `--lookupd-http-address=${lookupd.address.HTTP}`], ["HTTP"]);
      await use({ lookupd, nsqd, admin });
      for (const program of [admin, nsqd, lookupd]) await program.stop();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  page: async ({ page }, use) => {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !/status of (400|404|502)|ERR_FAILED/.test(message.text())) problems.push(message.text());
    });
    await use(page);
    expect(problems, "errors in the browser's console").toEqual([]);
  },
});

test.describe.configure({ mode: "serial" });

async function post(url: string, body = ""): Promise<void> {
  const answer = await fetch(url, { method: "POST", body });
  expect(answer.status, url).toBe(200);
}

const publish = ({ nsqd }: Running, topic: string, body = "hello") => post(`${nsqd.url}/pub?topic=${topic}`, body);

/** Counts what a page asks for from now on. */
function asked(page: Page): { count: number } {
  const seen = { count: 0 };
  page.on("request", () => (seen.count += 1));
  return seen;
}

/** What a tile of the page says. */
const tile = (page: Page, name: string) => page.locator(".tile").filter({ has: page.getByText(name, { exact: true }) }).locator("dd");

test("the first message appears on the page that taught how to send it", async ({ page, running }) => {
  await page.goto(running.admin.url);
  const line = page.locator("pre code").first();
  await expect(line).toContainText("curl -d hello 'http://127.0.0.1:");
  // As the page's own line does.
  const url = /'(http:[^']+)'/.exec((await line.textContent()) ?? "")![1]!;
  await post(url, "hello");
  await expect(page.getByRole("row", { name: /^test/ })).toBeVisible();
  await page.getByRole("link", { name: /^test/ }).click();
  await expect(page.getByRole("heading", { level: 1, name: "test" })).toBeVisible();
  await expect(tile(page, "Waiting")).toHaveText("1");
  await expect(page.getByText("None yet: messages wait in the topic")).toBeVisible();
});

test("numbers on an open page follow, and its rate is measured", async ({ page, running }) => {
  await post(`${running.nsqd.url}/channel/create?topic=test&channel=archive`);
  await page.goto(`${running.admin.url}/topics/test`);
  await expect(page.getByRole("row", { name: /archive/ })).toBeVisible();
  await publish(running, "test");
  await expect(page.getByRole("row", { name: /archive/ }).locator("td.strong")).toContainText("2");
  await expect(tile(page, "Messages in")).toContainText("/s", { timeout: 20_000 });
  await expect(page.locator(".moved svg.chart:visible").first()).toBeVisible();
  await expect(page.locator("eyrie-fresh")).toHaveText("live");
});

test("pausing and unpausing", async ({ page, running }) => {
  await page.goto(`${running.admin.url}/topics/test/archive`);
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await expect(page.getByText("Paused: consumers get nothing more for now.")).toBeVisible();
  await expect(page.locator(".heading .badge")).toHaveText("paused");
  await page.getByRole("button", { name: "Unpause" }).click();
  await expect(page.getByText("Consumers get messages again.")).toBeVisible();
  await expect(page.locator(".heading .badge")).toHaveCount(0);
});

test("what would be lost is said before it is lost", async ({ page, running }) => {
  await page.goto(`${running.admin.url}/topics/test/archive`);
  await page.getByText("Empty…").click();
  await expect(page.getByText("The 2 messages waiting in this channel will be lost")).toBeVisible();
  // It stays open while the page refreshes itself, and Escape takes it back.
  await publish(running, "test");
  await expect(page.getByText("The 3 messages waiting in this channel will be lost")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByText("waiting in this channel will be lost")).toBeHidden();
  await expect(tile(page, "Waiting")).toHaveText("3");
  await page.getByText("Empty…").click();
  await page.getByRole("button", { name: "Empty archive" }).click();
  await expect(page.getByText("What waited in the channel is gone.")).toBeVisible();
  await expect(tile(page, "Waiting")).toHaveText("0");
  await page.getByText("Delete…").click();
  await page.getByRole("button", { name: "Delete archive" }).click();
  await expect(page).toHaveURL(/\/topics\/test\?done=delete-channel/);
  await expect(page.getByText("The channel is deleted everywhere.")).toBeVisible();
  await expect(page.getByRole("row", { name: /archive/ })).toHaveCount(0);
});

test("making a topic and a channel before anybody uses them", async ({ page, running }) => {
  await page.goto(`${running.admin.url}/lookup`);
  await page.getByRole("textbox", { name: "Topic" }).fill("later");
  await page.getByRole("textbox", { name: "Channel" }).fill("reports");
  await page.getByRole("button", { name: "Make" }).click();
  await expect(page.getByRole("heading", { name: "No nsqd has this topic" })).toBeVisible();
  await page.goto(`${running.admin.url}/lookup`);
  await expect(page.locator(".abandoned > li", { hasText: "later" })).toContainText("reports");
  await publish(running, "later");
  await expect(page.locator(".abandoned > li", { hasText: "later" })).toHaveCount(0);
  await page.goto(`${running.admin.url}/topics/later`);
  await expect(page.getByRole("row", { name: /reports/ }).locator("td.strong")).toContainText("1");
});

test("the counter counts", async ({ page, running }) => {
  await page.goto(`${running.admin.url}/counter`);
  const counter = page.locator("eyrie-counter");
  const before = Number(await counter.getAttribute("value"));
  for (let n = 0; n < 20; n += 1) await publish(running, "later");
  await expect(counter).toHaveAttribute("value", String(before + 20));
  await expect(counter).toHaveAttribute("aria-label", String(before + 20));
});

test("everything works by the keyboard", async ({ page, running }) => {
  await page.goto(running.admin.url);
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search topics")).toBeFocused();
  await page.keyboard.type("lat");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/q=lat/);
  await page.waitForLoadState("load");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "later" })).toBeVisible();
  await page.waitForLoadState("load");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("u");
  await expect(page).toHaveURL(`${running.admin.url}/`);
  await page.waitForLoadState("load");
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await expect(page.getByRole("heading", { level: 1, name: "Nodes" })).toBeVisible();
});

test("everything works without scripts", async ({ browser, running }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${running.admin.url}/topics/later`);
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await expect(page.getByText("Paused: messages stay in the topic.")).toBeVisible();
  await page.getByText("Delete…").click();
  await page.getByRole("button", { name: "Delete later" }).click();
  await expect(page.getByText("later is deleted everywhere.")).toBeVisible();
  await expect(page.getByRole("link", { name: /^later/ })).toHaveCount(0);
  await context.close();
});

test("what is not there says so once, and does not ask on and on", async ({ page, running }) => {
  await page.clock.install();
  await page.goto(`${running.admin.url}/topics/nothing`);
  await expect(page.getByRole("heading", { name: "No such topic" })).toBeVisible();
  await expect(page.locator("eyrie-fresh")).toBeHidden();
  const after = asked(page);
  await page.clock.runFor(60_000);
  expect(after.count, "requests of a page that has nothing to follow").toBe(0);
  // What to do about it is on the page.
  await expect(page.locator("pre code")).toContainText(`${running.nsqd.address.HTTP}/pub?topic=nothing`);
  await page.getByRole("button", { name: "Make the topic now" }).click();
  await expect(page.getByRole("heading", { name: "No nsqd has this topic" })).toBeVisible();
});

test("an open page becomes a quiet one when its topic is deleted elsewhere", async ({ page, running }) => {
  await publish(running, "brief");
  await page.clock.install();
  await page.goto(`${running.admin.url}/topics/brief`);
  await expect(page.locator("eyrie-fresh")).toHaveText("live");
  await post(`${running.lookupd.url}/topic/delete?topic=brief`);
  await post(`${running.nsqd.url}/topic/delete?topic=brief`);
  await expect(async () => {
    await page.clock.runFor(2_500);
    await expect(page.getByRole("heading", { name: "No such topic" })).toBeVisible({ timeout: 500 });
  }).toPass();
  await expect(page.locator("eyrie-fresh")).toBeHidden();
  const after = asked(page);
  await page.clock.runFor(60_000);
  expect(after.count, "requests after the end").toBe(0);
});

test("what a form was answered stays until somebody goes back", async ({ page, running }) => {
  await page.clock.install();
  await page.goto(`${running.admin.url}/lookup`);
  await page.locator(".form form").evaluate((form: HTMLFormElement) => (form.noValidate = true));
  await page.getByRole("textbox", { name: "Topic" }).fill("bad!");
  await page.getByRole("button", { name: "Make" }).click();
  const sorry = page.getByText("A name has 1 to 64 of the characters");
  await expect(sorry).toBeVisible();
  const after = asked(page);
  await page.clock.runFor(60_000);
  expect(after.count, "requests of an answer to a form").toBe(0);
  await expect(sorry).toBeVisible();
  await page.getByRole("link", { name: "Back" }).click();
  await expect(page.getByRole("heading", { name: "Make a topic or channel" })).toBeVisible();
});

test("a name that nobody needs is forgotten", async ({ page, running }) => {
  await post(`${running.lookupd.url}/topic/create?topic=dropped`);
  await post(`${running.lookupd.url}/channel/create?topic=dropped&channel=old`);
  await page.goto(`${running.admin.url}/lookup`);
  await page.getByRole("link", { name: "old", exact: true }).click();
  await expect(page.getByRole("heading", { name: "No nsqd has this channel" })).toBeVisible();
  await page.getByText("Delete…").click();
  await page.getByRole("button", { name: "Delete old" }).click();
  await expect(page.getByText("The channel is deleted everywhere.")).toBeVisible();
  await page.goto(`${running.admin.url}/lookup`);
  await expect(page.locator(".abandoned > li", { hasText: "dropped" })).toContainText("no channel");
});

test("between phone and desk, tables scroll beside names that stay", async ({ page, running }) => {
  await publish(running, "wide");
  await post(`${running.nsqd.url}/channel/create?topic=wide&channel=archive`);
  await page.setViewportSize({ width: 800, height: 900 });
  await page.goto(`${running.admin.url}/topics/wide`);
  const table = page.getByRole("region", { name: "Channels, table" });
  const name = table.getByRole("rowheader").first();
  const before = await name.boundingBox();
  const moved = await table.evaluate((region) => ((region.scrollLeft = 60), region.scrollLeft));
  expect(moved, "the table is wider than the window").toBeGreaterThan(20);
  expect((await name.boundingBox())!.x).toBeGreaterThan(before!.x - 21);
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test("the keys are named, and no word of the trail is broken", async ({ page, running }) => {
    const topic = "a".repeat(64);
    const channel = "b".repeat(64);
    await post(`${running.nsqd.url}/topic/create?topic=${topic}`);
    await post(`${running.nsqd.url}/channel/create?topic=${topic}&channel=${channel}`);
    await page.goto(`${running.admin.url}/topics/${topic}/${channel}`);
    const streams = await page.getByRole("navigation", { name: "Where this is" }).getByRole("link", { name: "Streams" }).boundingBox();
    expect(streams!.height, "one line").toBeLessThan(30);
    await page.keyboard.press("?");
    const keys = page.getByRole("dialog", { name: "Keys" }).locator("kbd");
    await expect(keys.first()).toBeVisible();
    expect(await keys.evaluateAll((all) => all.every((key) => key.clientWidth > 0))).toBe(true);
    await page.keyboard.press("Escape");
    await page.goto(running.admin.url);
    const widths = await page.locator(".tools .segments a").evaluateAll((links) => links.map((link) => Math.round(link.getBoundingClientRect().width)));
    expect(widths).toHaveLength(3);
    expect(Math.max(...widths) - Math.min(...widths), "as wide as each other").toBeLessThanOrEqual(1);
    await post(`${running.nsqd.url}/topic/delete?topic=${topic}`);
    await post(`${running.lookupd.url}/topic/delete?topic=${topic}`);
  });
});

test("the streams follow the search field while one types", async ({ page, running }) => {
  for (const topic of ["apples", "pears"]) await post(`${running.nsqd.url}/topic/create?topic=${topic}`);
  await page.goto(`${running.admin.url}/?sort=depth`);
  const names = page.locator(".streams tbody .name");
  const search = page.getByLabel("Search topics");
  await expect(names.filter({ hasText: "apples" })).toBeVisible();
  await search.pressSequentially("PEA");
  await expect(names).toHaveText(["pears"], { timeout: 1_500 });
  await expect(page).toHaveURL(`${running.admin.url}/?q=PEA&sort=depth`);
  await expect(search).toBeFocused();
  await expect(search).toHaveValue("PEA");
  await expect(page.getByRole("link", { name: "Busiest" })).toHaveAttribute("href", /q=PEA/);
  await search.pressSequentially("nuts");
  await expect(page.getByText("No topic has PEAnuts in its name")).toBeVisible();
  await search.fill("");
  await expect(names.filter({ hasText: "apples" })).toBeVisible();
  await expect(page).toHaveURL(`${running.admin.url}/?sort=depth`);
  for (const topic of ["apples", "pears"]) {
    await post(`${running.nsqd.url}/topic/delete?topic=${topic}`);
    await post(`${running.lookupd.url}/topic/delete?topic=${topic}`);
  }
});

test("a tombstone takes a topic off a node", async ({ page, running }) => {
  await publish(running, "moving");
  await page.goto(`${running.admin.url}/nodes`);
  await page.getByRole("link", { name: "moving" }).click();
  await page.getByRole("link", { name: /^Take off/ }).click();
  await expect(page.getByRole("combobox", { name: "Topic" })).toHaveValue("moving");
  await page.getByRole("button", { name: "Tombstone it here" }).click();
  await expect(page.getByText("Tombstoned: consumers are no longer sent there")).toBeVisible();
  await expect(page.getByRole("link", { name: "moving" })).toHaveCount(0);
});

test("a daemon that is gone is named, and pages mend themselves", async ({ page, running }) => {
  await page.goto(running.admin.url);
  await expect(page.locator("eyrie-fresh")).toHaveText("live");
  await running.nsqd.stop();
  // Whether it said goodbye or not: no figure of it is left, and nothing breaks.
  await expect(page.locator("tbody tr", { hasText: "on no node" }).or(page.getByText("Some did not answer")).first()).toBeVisible({ timeout: 15_000 });
  await running.lookupd.stop();
  await expect(page.getByRole("heading", { name: "Nobody answered" })).toBeVisible({ timeout: 15_000 });
  await expect(page.getByText(`nsqlookupd at ${running.lookupd.address.HTTP} cannot be reached. Is it running`)).toBeVisible();
  await expect(page.locator("eyrie-fresh")).toHaveAttribute("state", "waits");
});
