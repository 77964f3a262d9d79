// Moments in the reader's own words and time zone; the server writes them in UTC.

const MOMENT = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "long" });

/** The name of the reader's time zone: `CET`, `UTC`. */
export const ZONE = new Intl.DateTimeFormat("en", { timeZoneName: "short" })
  .formatToParts(new Date())
  .find((part) => part.type === "timeZoneName")?.value ?? "";

/** `Fri 21 Nov, 01:15` of a moment in seconds since the epoch. */
export function moment(seconds: number): string {
  return MOMENT.format(seconds * 1000);
}

/** `3 min ago`, as the server says it. */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - then) / 1000));
  if (seconds < 10) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A `<time>` that says how long ago. */
export function agoElement(then: number, now: number): HTMLTimeElement {
  const time = document.createElement("time");
  time.dateTime = new Date(then).toISOString();
  time.dataset.style = "ago";
  time.title = EXACT.format(then);
  time.textContent = ago(then, now);
  return time;
}

/** Says every `<time>` under `root` in the reader's words. */
export function sayTimes(root: ParentNode): void {
  for (const zone of root.querySelectorAll("[data-zone]")) zone.textContent = ZONE;
  for (const time of root.querySelectorAll<HTMLTimeElement>("time[data-style]")) {
    const then = Date.parse(time.dateTime);
    if (Number.isNaN(then)) continue;
    time.title = EXACT.format(then);
    if (time.dataset.style === "moment") time.textContent = MOMENT.format(then);
    if (time.dataset.style === "day") time.textContent = DAY.format(then);
  }
}
