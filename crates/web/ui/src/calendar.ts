// The time axis, as chart/calendar.rs labels it, in the reader's own time zone.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
const SPACING = 72;

/** Least length in seconds and, from a month on, in months. */
const STEPS: [seconds: number, months: number][] = [
  ...[1, 2, 5, 10, 15, 30].map((n): [number, number] => [n * MINUTE, 0]),
  ...[1, 2, 3, 6, 12].map((n): [number, number] => [n * HOUR, 0]),
  ...[1, 2, 4, 7, 14].map((n): [number, number] => [n * DAY, 0]),
  [28 * DAY, 1], [59 * DAY, 2], [90 * DAY, 3], [181 * DAY, 6], [365 * DAY, 12], [730 * DAY, 24],
  [1826 * DAY, 60], [3652 * DAY, 120], [9131 * DAY, 300], [36_524 * DAY, 1200],
];

export interface Tick {
  at: number;
  text: string;
}

/** Labels between two moments (seconds since the epoch) on an axis `width` pixels wide. */
export function ticks(start: number, end: number, width: number): Tick[] {
  const most = Math.max(width / SPACING, 1);
  const step = STEPS.find(([seconds]) => (end - start) / seconds <= most);
  if (!step) return [];
  const [seconds, months] = step;
  const out: Tick[] = [];
  for (let date = first(start, seconds, months); date.getTime() / 1000 <= end; date = next(date, seconds, months)) {
    const at = date.getTime() / 1000;
    if (at >= start) out.push({ at, text: text(date, seconds, end - start) });
  }
  return out;
}

function first(start: number, seconds: number, months: number): Date {
  const date = new Date(start * 1000);
  if (months) {
    const month = date.getFullYear() * 12 + date.getMonth();
    return new Date(0, Math.floor(month / months) * months - 1900 * 12, 1);
  }
  if (seconds < DAY) {
    const midnight = new Date(date).setHours(0, 0, 0, 0) / 1000;
    return new Date((midnight + Math.floor((start - midnight) / seconds) * seconds) * 1000);
  }
  date.setHours(0, 0, 0, 0);
  const days = Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 1000 / DAY);
  const anchor = seconds >= 7 * DAY ? 4 : 0;
  const every = seconds / DAY;
  date.setDate(date.getDate() - ((((days - anchor) % every) + every) % every));
  return date;
}

function next(date: Date, seconds: number, months: number): Date {
  if (months) return new Date(date.getFullYear(), date.getMonth() + months, 1);
  if (seconds < DAY) return new Date(date.getTime() + seconds * 1000);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + seconds / DAY);
}

function format(options: Intl.DateTimeFormatOptions): (date: Date) => string {
  const intl = new Intl.DateTimeFormat("en-US", options);
  return (date) => intl.format(date);
}
const HOURS = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const WEEKDAY = format({ weekday: "short" });
const MONTH = format({ month: "short" });
const YEAR = format({ year: "numeric" });

function text(date: Date, step: number, length: number): string {
  const midnight = date.getHours() === 0 && date.getMinutes() === 0;
  if (step < DAY && !midnight) return HOURS(date);
  if (step <= DAY && length <= 8 * DAY) return `${WEEKDAY(date)} ${date.getDate()}`;
  if (step < 28 * DAY) return `${date.getDate()} ${MONTH(date)}`;
  return step < 365 * DAY && date.getMonth() !== 0 ? MONTH(date) : YEAR(date);
}
