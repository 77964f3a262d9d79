// An eyrie of its own for a test: a temporary folder, port 0, gone afterwards.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Where the clock stands: Saturday 21 November 2026, 01:15 UTC. */
export const NOW = Date.UTC(2026, 10, 21, 1, 15) / 1000;
const START_MS = 30_000;
const STOP_MS = 10_000;
/** Characters of the server's log that an error shows; SHOW_LOG=1 shows all of it. */
const SAID_MAX = 4_000;

export interface Account {
  email: string;
  ez_key: string;
  access_token: string;
  signin_secret: string;
}

export interface Item {
  stat: string;
  count?: number;
  value?: number;
  t?: number;
}

export class Server {
  private constructor(
    readonly url: string,
    readonly owner: Account,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(): Promise<Server> {
    const binary = process.env.EYRIE_BIN;
    if (!binary) throw new Error("EYRIE_BIN is not set: run `cargo xtask e2e`, or name the eyrie binary");
    const folder = await mkdtemp(join(tmpdir(), "eyrie-e2e-"));
    const data = join(folder, "data");
    const create = ["account", "create", "--data", data, "--email", "owner@example.com", "--ezkey", "owner@example.com", "--json"];
    const made = await promisify(execFile)(binary, create, { env: environment() });
    const owner = JSON.parse(made.stdout) as Account;
    const child = spawn(
      binary,
      ["serve", "--data", data, "--listen", "127.0.0.1:0", "--frozen-clock", String(NOW)],
      { stdio: ["ignore", "pipe", "pipe"], env: environment() },
    );
    try {
      return new Server(await address(child), owner, folder, child);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    const late = setTimeout(() => this.process.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(late);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Sends numbers as StatHat's clients do. */
  async send(items: Item[]): Promise<void> {
    for (let at = 0; at < items.length; at += 1000) {
      const body = JSON.stringify({ ezkey: this.owner.ez_key, data: items.slice(at, at + 1000) });
      const answer = await fetch(`${this.url}/ez`, { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer.status !== 200) throw new Error(`/ez answered ${answer.status}: ${await answer.text()}`);
    }
  }

  /** The public id of a stat, once it is there. */
  async id(name: string): Promise<string> {
    const url = `${this.url}/x/${this.owner.access_token}/stat?name=${encodeURIComponent(name)}`;
    for (let tries = 0; tries < 100; tries += 1) {
      const answer = await fetch(url);
      if (answer.ok) return ((await answer.json()) as { id: string }).id;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the stat ${name} did not appear`);
  }
}

/** Without settings of the person who runs the tests. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("EYRIE_")));
}

/** The address that the process prints once it listens. */
function address(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(() => reject(new Error(`not up after ${START_MS} ms:\n${said}`)), START_MS);
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      const found = /listening on (http:\/\/\S+)/.exec(said);
      if (!found) return;
      clearTimeout(late);
      resolve(found[1]!);
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-SAID_MAX);
      if (process.env.SHOW_LOG) process.stderr.write(chunk);
    });
    child.once("exit", (code) => reject(new Error(`eyrie ended with ${code}:\n${said}`)));
  });
}
