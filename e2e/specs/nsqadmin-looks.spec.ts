// nsqadmin's pages as people see them: a picture kept in git, and what axe says. In light, dark and on a phone.
import type { Page } from "@playwright/test";
import { faults } from "../support/axe.ts";
import { Cluster, LONG } from "../support/cluster.ts";
import { test as base, expect } from "../support/fixtures.ts";

const test = base.extend<object, { cluster: Cluster }>({
  cluster: [
    async ({}, use) => {
      const cluster = await Cluster.start();
      await use(cluster);
      await cluster.stop();
    },
    { scope: "worker" },
  ],
});

/** Holds the page still, gives ports the same numbers each time, and hides charts: their times are today's. */
async function still(page: Page): Promise<void> {
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      text.nodeValue = text.nodeValue!.replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:4151");
    }
    // Addresses that may break into lines are several texts.
    for (const text of document.querySelectorAll(".queues a, .queues span, .faults b")) {
      const plain = [...text.children].every((child) => child.localName === "wbr");
      if (plain && /127\.0\.0\.1:\d+/.test(text.textContent!)) text.textContent = text.textContent!.replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:4151");
    }
    for (const port of document.querySelectorAll("[data-port]")) port.textContent = "4151";
    for (const chart of document.querySelectorAll<SVGElement>(".moved svg, svg.spark")) chart.style.visibility = "hidden";
  });
}

async function look(page: Page, name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await still(page);
  expect(await faults(page)).toEqual([]);
  await expect(page).toHaveScreenshot(`nsqadmin-${name}.png`, { fullPage: true });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide, "nothing is wider than the window").toBeLessThanOrEqual(0);
  if (test.info().project.name !== "phone") return;
  const hidden = await page.evaluate(() => [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth).length);
  expect(hidden, "no figure is beside the window of a phone").toBe(0);
}

/** Opens a page and waits until rates are known: two samples. */
async function open(page: Page, cluster: Cluster, path: string): Promise<void> {
  await page.goto(cluster.admin.url + path);
  await expect(page.locator("eyrie-fresh")).toHaveAttribute("state", "live");
  if (await page.locator(".tiles").count()) {
    await expect(page.locator(".tile", { hasText: "Messages in" })).toContainText("0/s", { timeout: 20_000 });
  }
}

test("streams", async ({ page, cluster }) => {
  await open(page, cluster, "/");
  await look(page, "streams");
});

test("a topic", async ({ page, cluster }) => {
  await open(page, cluster, "/topics/orders");
  await look(page, "topic");
});

test("what deleting a topic would lose", async ({ page, cluster }) => {
  await open(page, cluster, "/topics/payments");
  await page.getByText("Delete…").click();
  await expect(page.getByRole("button", { name: "Delete payments" })).toBeVisible();
  await look(page, "delete");
});

test("a topic on no node", async ({ page, cluster }) => {
  await open(page, cluster, "/topics/returns");
  await look(page, "inactive");
});

test("a channel", async ({ page, cluster }) => {
  await open(page, cluster, "/topics/orders/billing");
  await look(page, "channel");
});

test("nodes", async ({ page, cluster }) => {
  await open(page, cluster, "/nodes");
  await expect(page.locator("tbody tr.parent")).toHaveCount(2);
  await look(page, "nodes");
});

test("a node", async ({ page, cluster }) => {
  await open(page, cluster, `/nodes/${cluster.nsqds[0].address}`);
  await page.getByText("Take a topic off this node").click();
  await look(page, "node");
});

test("the counter", async ({ page, cluster }) => {
  await open(page, cluster, "/counter");
  await expect(page.locator(".counting .beside")).toContainText("0/s", { timeout: 20_000 });
  await look(page, "counter");
});

test("lookup", async ({ page, cluster }) => {
  await open(page, cluster, "/lookup");
  await look(page, "lookup");
});

test("a page that is not there", async ({ page, cluster }) => {
  await page.goto(`${cluster.admin.url}/topics/nothing`);
  await look(page, "missing");
});

test("a node that does not answer", async ({ page, cluster }) => {
  const answers = cluster.nsqds[1].answers;
  cluster.nsqds[1].answers = {};
  await open(page, cluster, "/topics/page.views");
  await expect(page.getByText("Some did not answer")).toBeVisible();
  await look(page, "troubles");
  cluster.nsqds[1].answers = answers;
});

test("a channel that nsqlookupd alone knows", async ({ page, cluster }) => {
  await open(page, cluster, "/topics/returns/refunds");
  await look(page, "promised");
});

test("names and numbers of any size", async ({ page, cluster }) => {
  cluster.extremes();
  await open(page, cluster, "/");
  await expect(page.getByText("1 of 3")).toBeVisible();
  await open(page, cluster, "/?q=long");
  await look(page, "extremes");
  await open(page, cluster, `/topics/${LONG}`);
  await look(page, "extremes-topic");
  cluster.shop();
});

test("the first day", async ({ page, cluster }) => {
  cluster.empty();
  await page.goto(cluster.admin.url);
  await expect(page.getByRole("heading", { name: "Send your first message" })).toBeVisible();
  await look(page, "first-day");
  cluster.shop();
});
