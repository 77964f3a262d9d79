// The same numbers in every run: thirty stats of a small business, two of them a year long.
import { type Item, NOW } from "./server.ts";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** The two stats that have a page of their own in the tests. */
export const COUNTER = "signups";
export const VALUE = "api latency ms";

/** A generator of numbers between 0 and 1 that always says the same (mulberry32). */
function chance(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 at night, 1 at the height of a working day, less at weekends. */
function busy(t: number): number {
  const hour = (t % DAY) / HOUR;
  const weekday = (Math.floor(t / DAY) + 4) % 7;
  const day = Math.max(0, Math.sin(((hour - 5) / 18) * Math.PI)) ** 1.4;
  return (0.12 + 0.88 * day) * (weekday === 0 || weekday === 6 ? 0.55 : 1);
}

function counter(stat: string, size: number, seed: number, days: number, step: number): Item[] {
  const random = chance(seed);
  const out: Item[] = [];
  for (let t = NOW - days * DAY; t <= NOW - MINUTE; t += step) {
    const growth = 1 - (0.25 * (NOW - t)) / (365 * DAY);
    const count = Math.round(size * busy(t) * growth * (0.7 + 0.6 * random()) * (step / HOUR));
    if (count > 0) out.push({ stat, count, t });
  }
  return out;
}

function value(stat: string, low: number, high: number, seed: number, days: number, step: number, gap = 0): Item[] {
  const random = chance(seed);
  const out: Item[] = [];
  let drift = 0;
  for (let t = NOW - days * DAY; t <= NOW - MINUTE; t += step) {
    drift = drift * 0.93 + (random() - 0.5) * 0.35;
    const peak = random() < 0.012 ? 0.9 * random() : 0;
    const share = Math.max(0.02, 0.15 + 0.5 * busy(t) + drift * 0.4 + peak);
    const missing = gap > 0 && t > NOW - gap - 9 * HOUR && t < NOW - gap;
    if (!missing) out.push({ stat, value: Math.round((low + (high - low) * share) * 100) / 100, t });
  }
  return out;
}

const COUNTERS: [string, number][] = [
  ["page views", 14_200], ["orders", 62], ["orders refunded", 3], ["emails sent", 910], ["emails bounced", 11],
  ["searches", 2_300], ["logins", 480], ["logins failed", 35], ["uploads", 140], ["api requests", 48_000],
  ["api errors", 70], ["jobs done", 3_900], ["jobs retried", 44], ["cache misses", 5_200], ["webhooks delivered", 760],
  ["newsletter opened", 210], ["support tickets", 6], ["payments declined", 9],
];
const VALUES: [string, number, number][] = [
  ["cpu load web-1", 0.1, 4], ["cpu load web-2", 0.1, 4], ["memory used GB", 3, 14], ["queue depth", 0, 900],
  ["basket value EUR", 20, 140], ["page load ms", 280, 1_900], ["db connections", 8, 96], ["temperature rack 3 °C", 19, 31],
  ["disk free GB", 120, 610], ["build minutes", 2, 11],
];

/** All of them, oldest stats first. */
export function seed(): Item[] {
  return [
    ...counter(COUNTER, 26, 1, 365, 6 * HOUR).filter(({ t = 0 }) => t < NOW - 15 * DAY),
    ...counter(COUNTER, 26, 2, 15, 15 * MINUTE),
    ...value(VALUE, 40, 320, 3, 365, 6 * HOUR).filter(({ t = 0 }) => t < NOW - 15 * DAY),
    ...value(VALUE, 40, 320, 4, 15, 10 * MINUTE, 30 * HOUR),
    ...COUNTERS.flatMap(([name, size], n) => counter(name, size, 100 + n, 2, 30 * MINUTE)),
    ...VALUES.flatMap(([name, low, high], n) => value(name, low, high, 200 + n, 2, 30 * MINUTE)),
  ];
}
