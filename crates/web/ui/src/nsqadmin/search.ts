// The streams follow the search field while somebody types; Enter loads their page, as without scripts.
import type { EyrieFresh } from "./fresh.ts";

const TYPING_MS = 150;

const form = document.querySelector<HTMLInputElement>("#search")?.form;
let typing = 0;

form?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => find(form), TYPING_MS);
});
form?.addEventListener("submit", () => clearTimeout(typing));

/** Goes to the streams of what is in the field, without leaving the page. */
function find(form: HTMLFormElement): void {
  const url = new URL(form.action);
  for (const [name, value] of new FormData(form)) {
    const text = String(value).trim();
    if (text) url.searchParams.set(name, text);
  }
  if (url.href === location.href) return;
  history.replaceState(history.state, "", url);
  document.querySelector<EyrieFresh>("eyrie-fresh")?.now();
}
