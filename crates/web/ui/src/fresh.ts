// What the live stream does not tell, the tables below a chart, is fetched again when a minute has turned
// or the first number came: <div data-fresh="name"> takes the place of the one before.
import { type Columns, type News, subscribe } from "./news.ts";
import { sayTimes } from "./times.ts";

let start = 0;
let empty = false;
let fetching = false;

/** Starts following, on pages with a chart. */
export function keepFresh(): void {
  const chart = document.querySelector("eyrie-chart[stat]");
  const text = chart?.querySelector("script")?.textContent;
  if (!chart || !text) return;
  const columns = JSON.parse(text) as Columns;
  start = columns.start;
  empty = columns.values.every((value) => value === null);
  subscribe((news) => {
    if (news.id === chart.getAttribute("stat")) void hear(news);
  });
}

async function hear(news: News): Promise<void> {
  const due = news.start !== start || (empty && news.figure.value !== null);
  if (!due || fetching) return;
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    start = news.start;
    empty = news.figure.value === null;
  } catch {
    // Offline: the next news try again.
  } finally {
    fetching = false;
  }
}

function swap(page: Document): void {
  for (const old of document.querySelectorAll<HTMLElement>("[data-fresh]")) {
    const fresh = page.querySelector<HTMLElement>(`[data-fresh="${old.dataset.fresh}"]`);
    // What somebody is using by keyboard stays where it is until the next time.
    if (!fresh || old.contains(document.activeElement)) continue;
    sayTimes(fresh);
    const scrolled = old.querySelector(".scroll")?.scrollTop ?? 0;
    old.replaceWith(fresh);
    const scroll = fresh.querySelector(".scroll");
    if (scroll) scroll.scrollTop = scrolled;
  }
}
