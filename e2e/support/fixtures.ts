// `seeded`: one server with numbers for all tests of a worker that only look. `fresh`: an empty one
// for a test that changes things.
import { type Page, test as base, expect } from "@playwright/test";
import { seed } from "./seed.ts";
import { NOW, Server } from "./server.ts";

interface Fixtures {
  fresh: Server;
}
interface Shared {
  seeded: Server & { session: string };
}

export const test = base.extend<Fixtures, Shared>({
  seeded: [
    async ({}, use) => {
      const server = await Server.start();
      await server.send(seed());
      await server.id("build minutes");
      await use(Object.assign(server, { session: await session(server) }));
      await server.stop();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  fresh: async ({}, use) => {
    const server = await Server.start();
    await use(server);
    await server.stop();
  },
  page: async ({ page }, use) => {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !/status of (400|401|403|404)|ERR_FAILED/.test(message.text())) problems.push(message.text());
    });
    // The server's clock stands still, so the browser's does too; timers go on.
    await page.clock.setFixedTime(NOW * 1000);
    await use(page);
    expect(problems, "errors in the browser's console").toEqual([]);
  },
});

export { expect };

/** Uses up the one-time link; answers the session's cookie. */
async function session(server: Server): Promise<string> {
  const answer = await fetch(`${server.url}/signin/${server.owner.signin_secret}`, { method: "POST", redirect: "manual" });
  const cookie = /eyrie_session=([^;]+)/.exec(answer.headers.get("set-cookie") ?? "");
  if (!cookie) throw new Error(`the sign-in link answered ${answer.status} without a session`);
  return cookie[1]!;
}

/** Signed in to the seeded server, without its one link. */
export async function signedIn(page: Page, seeded: Shared["seeded"]): Promise<void> {
  await page.context().addCookies([{ name: "eyrie_session", value: seeded.session, url: seeded.url }]);
}

/** Signed in by the link and its button, as its owner does. */
export async function byLink(page: Page, server: Server): Promise<void> {
  await page.goto(`${server.url}/signin/${server.owner.signin_secret}`);
  await page.getByRole("button", { name: `Sign in as ${server.owner.email}` }).click();
  await page.waitForURL(`${server.url}/stats`);
}
