// What the live stream tells; see live.rs in the server.

export interface Figure {
  value: number | null;
  previous: number | null;
  change: number | null;
}

export interface Columns {
  start: number;
  step: number;
  values: (number | null)[];
  previous: (number | null)[];
}

export interface News {
  id: string;
  figure: Figure;
  received_at: number;
  start: number;
  step: number;
  from: number;
  values: (number | null)[];
  previous?: (number | null)[];
}

/** Columns after the news. */
export function updated(columns: Columns, news: News): Columns {
  const kept = news.from > 0 ? columns.values.slice(0, news.from) : [];
  return {
    start: news.start,
    step: news.step,
    values: kept.concat(news.values),
    previous: news.previous ?? columns.previous,
  };
}

const EVENT = "eyrie-news";
const LIST_EVENT = "eyrie-list";

export function publish(news: News): void {
  document.dispatchEvent(new CustomEvent<News>(EVENT, { detail: news }));
}

export function subscribe(listener: (news: News) => void): () => void {
  const handler = (event: Event) => listener((event as CustomEvent<News>).detail);
  document.addEventListener(EVENT, handler);
  return () => document.removeEventListener(EVENT, handler);
}

/** The list that the page shows is not as it was. */
export function publishList(): void {
  document.dispatchEvent(new CustomEvent(LIST_EVENT));
}

export function subscribeList(listener: () => void): void {
  document.addEventListener(LIST_EVENT, listener);
}
