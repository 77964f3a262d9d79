// Numbers beside names follow the news: on lists and above charts.
import { figureParts, grouped, percent } from "./format.ts";
import { type Columns, type News, subscribe, updated } from "./news.ts";
import { drawSpark } from "./spark.ts";
import { agoElement } from "./times.ts";

const AGO_EVERY_MS = 10_000;
const received = new Map<string, number>();
const columns = new Map<string, Columns>();

/** Starts following. */
export function listen(): void {
  for (const time of document.querySelectorAll<HTMLTimeElement>("[data-received] time")) {
    const id = time.closest<HTMLElement>("[data-received]")?.dataset.received;
    if (id) received.set(id, Date.parse(time.dateTime));
  }
  subscribe(tell);
  setInterval(() => received.forEach(sayAgo), AGO_EVERY_MS);
}

function tell(news: News): void {
  const { value, change } = news.figure;
  for (const place of elements("figure", news.id)) {
    if (place.querySelector("data")?.value !== String(value)) place.replaceChildren(figure(value));
  }
  for (const place of elements("change", news.id)) {
    place.textContent = change === null ? "" : percent(change);
    const compared = place.closest<HTMLElement>("[data-compared]");
    if (compared) compared.hidden = change === null;
  }
  received.set(news.id, news.received_at);
  sayAgo(news.received_at, news.id);
  const row = document.querySelector<SVGSVGElement>(`tr[data-stat="${CSS.escape(news.id)}"] svg.spark`);
  if (row) {
    const now = updated(columns.get(news.id) ?? { ...news, previous: [] }, news);
    columns.set(news.id, now);
    drawSpark(row, now.values);
  }
}

function elements(name: string, id: string): NodeListOf<HTMLElement> {
  return document.querySelectorAll(`[data-${name}="${CSS.escape(id)}"]`);
}

function figure(value: number | null): HTMLElement {
  if (value === null) {
    const none = document.createElement("span");
    none.className = "none";
    none.textContent = "–";
    return none;
  }
  const [digits, letter] = figureParts(value);
  const data = document.createElement("data");
  data.value = String(value);
  data.title = grouped(value);
  data.append(digits);
  if (letter) {
    const small = document.createElement("small");
    small.textContent = letter;
    data.append(small);
  }
  return data;
}

function sayAgo(then: number, id: string): void {
  for (const place of elements("received", id)) place.replaceChildren(agoElement(then, Date.now()));
}
