// The same cluster in every run: two nsqds of a shop behind two nsqlookupds, and nsqadmin in front.
import { Program, Scripted, client, stats } from "./nsq.ts";

/** An nsqd as an nsqlookupd lists it. */
function producer(n: number, nsqd: Scripted, topics: string[], tombstones: boolean[] = []): unknown {
  const port = Number(nsqd.address.split(":")[1]);
  return {
    remote_address: `10.0.0.${n}:41${n}`, hostname: `queue-${n}.example.net`, broadcast_address: "127.0.0.1",
    tcp_port: 4149 + n, http_port: port, version: n === 1 ? "1.3.0" : "1.2.1", topology_zone: "", topology_region: "",
    tombstones: topics.map((_, at) => tombstones[at] ?? false), topics,
  };
}

/** The longest name there can be, without a place to break at. */
export const LONG = `long${"x".repeat(60)}`;

/** Daemons that never move, so that pictures of the pages are the same each time. */
export class Cluster {
  private constructor(
    readonly admin: Program,
    readonly lookupds: [Scripted, Scripted],
    readonly nsqds: [Scripted, Scripted],
  ) {}

  static async start(words: string[] = []): Promise<Cluster> {
    const lookupds: [Scripted, Scripted] = [await Scripted.start(), await Scripted.start()];
    const nsqds: [Scripted, Scripted] = [await Scripted.start(), await Scripted.start()];
    const addresses = lookupds.map(({ address }) => `--lookupd-http-address=${address}`);
    const admin = await Program.start("nsqadmin", ["--http-address=127.0.0.1:0", ...addresses, ...words], ["HTTP"]);
    const cluster = new Cluster(admin, lookupds, nsqds);
    cluster.shop();
    return cluster;
  }

  async stop(): Promise<void> {
    await this.admin.stop();
    for (const daemon of [...this.lookupds, ...this.nsqds]) await daemon.stop();
  }

  /** Fills it with the traffic of a shop. */
  shop(): void {
    const [one, two] = this.nsqds;
    const names = ["orders", "payments", "emails", "page.views", "audit#ephemeral"];
    const producers = [producer(1, one, names), producer(2, two, ["orders", "page.views"], [false, true])];
    const both = { producers, channels: [] };
    for (const lookupd of this.lookupds) {
      lookupd.answers = {
        "/topics": { topics: [...names, "returns", "old.reports"] },
        "/nodes": { producers: lookupd === this.lookupds[0] ? producers : [producers[0]] },
        "/lookup?topic=": 404,
        "/lookup?topic=orders": both,
        "/lookup?topic=page.views": both,
        ...Object.fromEntries(["payments", "emails", "audit"].map((topic) => [`/lookup?topic=${topic}`, { producers: [producers[0]] }])),
        "/lookup?topic=returns": { producers: [] },
        "/lookup?topic=old.reports": { producers: [] },
        "/channels?topic=": { channels: [] },
        "/channels?topic=returns": { channels: ["archive", "refunds"] },
        "/topic/": {},
        "/channel/": {},
      };
    }
    const consumers = [
      client("billing-1", 1, { tls: true, tls_version: "TLS1.3", tls_cipher_suite: "TLS_AES_128_GCM_SHA256", snappy: true, topology_zone: "eu-1a", authed: true, auth_identity: "billing" }),
      client("billing-2", 2, { deflate: true, topology_zone: "eu-1b", user_agent: "pynsq/0.9.1" }),
      client("sampler", 3, { client_id: "night shift", sample_rate: 10, ready_count: 0, user_agent: "nsqjs/0.13.0" }),
    ];
    const first = stats([
      { name: "orders", messages: 4_812_304, channels: [
        { name: "billing", depth: 18, disk: 0, inFlight: 6, deferred: 12, requeued: 214, timedOut: 3, messages: 4_812_304, zone: 3_100_000, clients: consumers },
        { name: "archive", depth: 1_204_877, disk: 1_194_877, inFlight: 0, messages: 4_812_304, clients: [] },
        { name: "look#ephemeral", depth: 0, inFlight: 1, messages: 3_204, clients: [client("laptop", 4)] },
      ] },
      { name: "payments", messages: 91_244, paused: true, depth: 37, channels: [{ name: "ledger", messages: 91_207, clients: [client("ledger", 5)] }] },
      { name: "emails", messages: 18_733, channels: [{ name: "send", depth: 402, inFlight: 50, messages: 18_733, paused: true, clients: [client("mailer", 6)] }] },
      { name: "page.views", messages: 88_120_554, channels: [{ name: "count", depth: 7, inFlight: 2_500, clients: [client("count-1", 7), client("count-2", 8)] }] },
      { name: "audit#ephemeral", messages: 12, depth: 12, channels: [] },
    ], true);
    const second = stats([
      { name: "orders", messages: 4_790_117, channels: [
        { name: "billing", depth: 4, inFlight: 2, requeued: 190, messages: 4_790_117, clients: [client("billing-1", 9)] },
        { name: "archive", depth: 0, messages: 4_790_117, clients: [client("archive", 10)] },
      ] },
      { name: "page.views", messages: 87_004_210, channels: [{ name: "count", depth: 0, inFlight: 2_500, clients: [client("count-3", 11)] }] },
    ], true);
    const changes = { "/topic/": {}, "/channel/": {} };
    const info = (n: number, nsqd: Scripted) => producer(n, nsqd, []);
    one.answers = { "/stats": first, "/info": info(1, one), ...changes };
    two.answers = { "/stats": second, "/info": info(2, two), ...changes };
  }

  /** Two hundred topics and more, the longest names, and numbers with many digits. */
  extremes(): void {
    const [one] = this.nsqds;
    const huge = 9_007_199_254_740_991;
    const names = [LONG, "long.name-with_places.to-break_at.in.every-part", ...Array.from({ length: 220 }, (_, n) => `topic-${n}`)];
    const both = { producers: [producer(1, one, names)], channels: [] };
    for (const lookupd of this.lookupds) {
      lookupd.answers = { "/topics": { topics: names }, "/nodes": both, "/lookup?topic=": both, "/channels?topic=": { channels: [] } };
    }
    const channels = [
      { name: LONG, depth: huge, disk: huge - 1_000, inFlight: huge, deferred: huge, requeued: huge, timedOut: huge, messages: huge, clients: [client("h".repeat(200), 1)] },
      { name: "c", clients: [] },
    ];
    one.answers["/stats"] = stats(names.map((name) => ({ name, depth: 7, messages: huge, channels: name.startsWith("long") ? channels : [] })), true);
  }

  /** As on the first day: nobody has registered. */
  empty(): void {
    for (const lookupd of this.lookupds) {
      lookupd.answers = { "/topics": { topics: [] }, "/nodes": { producers: [] }, "/lookup?topic=": 404 };
    }
  }
}
