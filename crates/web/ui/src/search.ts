// A list follows its search field while somebody types; Enter loads its page, as without scripts.
import { refresh } from "./rows.ts";

const TYPING_MS = 150;

/** Starts following, on lists. */
export function followSearch(): void {
  const form = document.querySelector<HTMLInputElement>("#search")?.form;
  const list = document.getElementById("list");
  if (!form || !list) return;
  // Read aloud, as the lines come and go.
  const found = document.createElement("span");
  found.id = "found";
  found.className = "unseen";
  found.setAttribute("role", "status");
  form.append(found);
  let typing = 0;
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => find(form), TYPING_MS);
  });
  form.addEventListener("submit", () => clearTimeout(typing));
}

/** Goes to the list of what is in the field, without leaving the page. */
function find(form: HTMLFormElement): void {
  const url = new URL(form.action);
  for (const [name, value] of new FormData(form)) {
    const text = String(value).trim();
    if (text) url.searchParams.set(name, text);
  }
  if (url.href === location.href) return;
  history.replaceState(history.state, "", url);
  void refresh();
}
