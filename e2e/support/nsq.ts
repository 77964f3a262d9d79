// nsqadmin for a test: in front of daemons that say what the test wrote down, or of real ones.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { type Server as Http, createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MS = 30_000;
const STOP_MS = 10_000;
/** Characters of a program's log that an error shows. */
const SAID_MAX = 4_000;

/** One of NSQ's programs, running. */
export class Program {
  private constructor(
    readonly address: Record<string, string>,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Starts `eyrie PROGRAM WORDS` and waits until it listens for each of `kinds` (HTTP, TCP). */
  static async start(program: string, words: string[], kinds: string[]): Promise<Program> {
    const binary = process.env.EYRIE_BIN;
    if (!binary) throw new Error("EYRIE_BIN is not set: run `cargo xtask e2e`, or name the eyrie binary");
    const folder = await mkdtemp(join(tmpdir(), `eyrie-e2e-${program}-`));
    const child = spawn(binary, [program, ...words], { stdio: ["ignore", "pipe", "pipe"], cwd: folder });
    try {
      return new Program(await listening(child, kinds), child, folder);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  get url(): string {
    return `http://${this.address.HTTP}`;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = new Promise((resolve) => this.process.once("exit", resolve));
      this.process.kill("SIGTERM");
      const late = setTimeout(() => this.process.kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(late);
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The addresses that the log names. */
function listening(child: ChildProcess, kinds: string[]): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    let said = "";
    const found: Record<string, string> = {};
    const late = setTimeout(() => reject(new Error(`not up after ${START_MS} ms:\n${said}`)), START_MS);
    child.stderr?.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-SAID_MAX);
      if (process.env.SHOW_LOG) process.stderr.write(chunk);
      for (const [, kind, address] of said.matchAll(/INFO: (HTTPS?|TCP): listening on (\S+)/g)) {
        found[kind!] = address!.replace(/^(0\.0\.0\.0|\[::\])/, "127.0.0.1");
      }
      if (kinds.every((kind) => found[kind])) {
        clearTimeout(late);
        resolve(found);
      }
    });
    child.once("exit", (code) => {
      clearTimeout(late);
      reject(new Error(`the program ended with ${code}:\n${said}`));
    });
  });
}

/** Answers by path, the longest that fits first; a number is a status alone. */
type Answers = Record<string, unknown>;

/** A daemon that says what it is told and remembers what was posted. */
export class Scripted {
  answers: Answers = {};
  readonly posts: string[] = [];
  private constructor(readonly address: string, private readonly server: Http) {}

  static async start(): Promise<Scripted> {
    const server = createServer((request, response) => {
      const target = request.url ?? "/";
      if (request.method === "POST") scripted.posts.push(target);
      const path = Object.keys(scripted.answers).filter((path) => target.startsWith(path)).sort((a, b) => b.length - a.length)[0];
      const answer = path === undefined ? 404 : scripted.answers[path];
      const status = typeof answer === "number" ? answer : 200;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof answer === "number" ? '{"message":"TOPIC_NOT_FOUND"}' : JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const scripted = new Scripted(`127.0.0.1:${(server.address() as AddressInfo).port}`, server);
    return scripted;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

interface Channel {
  name: string;
  depth?: number;
  disk?: number;
  inFlight?: number;
  deferred?: number;
  requeued?: number;
  timedOut?: number;
  messages?: number;
  paused?: boolean;
  zone?: number;
  clients?: Record<string, unknown>[];
}

interface Topic {
  name: string;
  depth?: number;
  messages: number;
  paused?: boolean;
  channels: Channel[];
}

const latency = (...values: number[]) => ({
  count: values.length ? 1000 : 0,
  percentiles: values.length ? [{ quantile: 0.99, value: values[0] }, { quantile: 0.5, value: values[1] }] : null,
});

/** `/stats` of an nsqd. */
export function stats(topics: Topic[], measured = false): unknown {
  return {
    version: "1.3.0", health: "OK", start_time: 1, producers: [],
    topics: topics.map((topic) => ({
      topic_name: topic.name, depth: topic.depth ?? 0, backend_depth: 0, message_count: topic.messages,
      message_bytes: topic.messages * 212, paused: topic.paused ?? false,
      e2e_processing_latency: measured && topic.channels.length ? latency(84_200_000, 3_400_000) : latency(),
      channels: topic.channels.map((channel) => ({
        channel_name: channel.name, depth: channel.depth ?? 0, backend_depth: channel.disk ?? 0,
        in_flight_count: channel.inFlight ?? 0, deferred_count: channel.deferred ?? 0,
        message_count: channel.messages ?? topic.messages, requeue_count: channel.requeued ?? 0,
        timeout_count: channel.timedOut ?? 0, client_count: channel.clients?.length ?? 0, clients: channel.clients ?? [],
        zone_local_msg_count: channel.zone ?? 0, global_msg_count: topic.messages - (channel.zone ?? 0),
        paused: channel.paused ?? false, e2e_processing_latency: measured ? latency(84_200_000, 3_400_000) : latency(),
      })),
    })),
  };
}

/** A consumer of a channel. */
export function client(hostname: string, n: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    client_id: hostname, hostname: `${hostname}.example.net`, version: "V2", remote_address: `10.0.${n}.17:${51_000 + n}`, state: 3,
    ready_count: 200, in_flight_count: 3 * n, message_count: 120_411 * n, finish_count: 120_380 * n, requeue_count: 2 * n,
    connect_ts: Math.floor(Date.now() / 1000) - 86_400 * 3 - 5_000, user_agent: "go-nsq/1.1.0", ...more,
  };
}
