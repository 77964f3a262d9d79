// What the live stream does not tell, the tables below a chart, is fetched again when news came:
// <div data-fresh="name"> takes the place of the one before.
import { type Columns, type News, subscribe } from "./news.ts";
import { sayTimes } from "./times.ts";

/** Between two fetches; news of the time between them come with the second. */
const EVERY_MS = 2_000;
/** A server that is slow is asked for no more than a tenth of the time. */
const PAUSE_PER_FETCH = 9;
/** After a fetch that failed. */
const AGAIN_AFTER_MS = 10_000;

/** The latest news that the tables lack. */
let due: News | undefined;
let following = false;

/** Starts following, on pages with a chart. */
export function keepFresh(): void {
  const chart = document.querySelector("eyrie-chart[stat]");
  const text = chart?.querySelector("script")?.textContent;
  if (!chart || !text) return;
  let shown: Columns | undefined = JSON.parse(text) as Columns;
  subscribe((news) => {
    if (news.id !== chart.getAttribute("stat")) return;
    // A stream begins with all there is: usually what the page has.
    const same = shown?.start === news.start && String(shown.values) === String(news.values);
    shown = undefined;
    if (same) return;
    due = news;
    if (!following) void follow();
  });
}

async function follow(): Promise<void> {
  following = true;
  while (due) {
    const news = due;
    due = undefined;
    const began = performance.now();
    const fetched = await refresh(news);
    if (!fetched) due ??= news;
    const pause = fetched ? Math.max(EVERY_MS, (performance.now() - began) * PAUSE_PER_FETCH) : AGAIN_AFTER_MS;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  following = false;
}

/** False if it is worth another try. */
async function refresh(news: News): Promise<boolean> {
  const url = new URL(location.href);
  // A public page may lie in shared caches: the one with these news has an address of its own.
  url.searchParams.set("at", `${news.received_at}.${news.figure.value ?? ""}`);
  try {
    const answer = await fetch(url, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) return answer.status < 500;
    if (!answer.redirected) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    return true;
  } catch {
    return false;
  }
}

function swap(page: Document): void {
  for (const old of document.querySelectorAll<HTMLElement>("[data-fresh]")) {
    const fresh = page.querySelector<HTMLElement>(`[data-fresh="${old.dataset.fresh}"]`);
    // What somebody is using by keyboard or has marked stays where it is until the next time.
    if (!fresh || old.contains(document.activeElement) || isMarked(old)) continue;
    sayTimes(fresh);
    if (old.isEqualNode(fresh)) continue;
    const scrolled = old.querySelector(".scroll")?.scrollTop ?? 0;
    old.replaceWith(fresh);
    const scroll = fresh.querySelector(".scroll");
    if (scroll) scroll.scrollTop = scrolled;
  }
}

function isMarked(element: Element): boolean {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
}
