// An open list gets the lines of new stats, and of what is searched for, and loses those of stats that are
// gone; all others stay the elements they are, so that nothing flashes and nobody loses his place.
import { subscribeList } from "./news.ts";
import { sayTimes } from "./times.ts";

/** After a list that could not be fetched. */
const AGAIN_AFTER_MS = 5_000;

let fetching = false;
let stale = false;

/** Starts following, on lists. */
export function keepRows(): void {
  if (document.getElementById("list")) subscribeList(() => void refresh());
}

/** Makes the list that of the page's address, as it is now. */
export async function refresh(): Promise<void> {
  stale = true;
  if (fetching) return;
  fetching = true;
  try {
    while (stale) {
      stale = false;
      const asked = location.href;
      const answer = await fetch(asked, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(`${answer.status}`);
      // Signed out meanwhile: the stream ends too.
      if (answer.redirected) return;
      if (location.href !== asked) continue;
      merge(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch {
    setTimeout(() => void refresh(), AGAIN_AFTER_MS);
  } finally {
    fetching = false;
  }
}

function merge(page: Document): void {
  const old = document.getElementById("list");
  const fresh = page.getElementById("list");
  if (!old || !fresh) return;
  sayTimes(fresh);
  const [oldRows, freshRows] = [rows(old), rows(fresh)];
  if (oldRows && freshRows) {
    mergeRows(oldRows, freshRows);
    replace(old, fresh, ".pager");
  } else {
    old.replaceChildren(...fresh.childNodes);
  }
  copy(page, "#search", "placeholder");
  const [orders, freshOrders] = [document.querySelector(".tools .segments"), page.querySelector(".tools .segments")];
  if (orders && freshOrders && !orders.isEqualNode(freshOrders)) orders.replaceWith(freshOrders);
  const found = document.getElementById("found");
  const said = fresh.dataset.matches ?? "";
  if (found && found.textContent !== said) found.textContent = said;
  // Last: what the next stream tells finds its line.
  copy(page, "eyrie-live", "src");
}

function rows(list: HTMLElement): HTMLTableSectionElement | undefined {
  return list.querySelector<HTMLTableElement>("table.stats")?.tBodies[0];
}

function mergeRows(old: HTMLTableSectionElement, fresh: HTMLTableSectionElement): void {
  const kept = new Map([...old.rows].map((row) => [row.dataset.stat, row]));
  const wanted = [...fresh.rows].map((row) => kept.get(row.dataset.stat) ?? row);
  for (const row of kept.values()) if (!wanted.includes(row)) row.remove();
  let at: Element | null = old.firstElementChild;
  for (const row of wanted) {
    if (row === at) at = row.nextElementSibling;
    else old.insertBefore(row, at);
  }
}

/** Puts the one that is there now in the place of the one before, if they differ. */
function replace(old: HTMLElement, fresh: HTMLElement, selector: string): void {
  const [before, after] = [old.querySelector(selector), fresh.querySelector(selector)];
  if (before && after && before.isEqualNode(after)) return;
  before?.remove();
  if (after) old.append(after);
}

function copy(page: Document, selector: string, attribute: string): void {
  const value = page.querySelector(selector)?.getAttribute(attribute);
  const here = document.querySelector(selector);
  if (value && here && here.getAttribute(attribute) !== value) here.setAttribute(attribute, value);
}
