// The keyboard of nsqadmin's pages.
import { type Help, showHelp } from "../help.ts";

const HELP: Help = [
  [["/"], "search topics"],
  [["j", "k"], "down and up a table, Enter opens"],
  [["u"], "up: from a channel to its topic, from there to the streams"],
  [["g", "s"], "to the streams"],
  [["g", "n"], "to the nodes"],
  [["g", "c"], "to the counter"],
  [["g", "l"], "to the lookup"],
  [["Esc"], "fold away what was asked"],
  [["?"], "this help"],
];
const CHORD_MS = 1200;
const GO: Record<string, string> = { s: "/", n: "/nodes", c: "/counter", l: "/lookup" };

let chord = 0;

document.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (event.key === "Escape" && !target.closest("dialog")) {
    fold();
    if (target.id === "search") target.blur();
    return;
  }
  const writing = target.closest("input:not([type=checkbox]), textarea, select, dialog");
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (act(event.key)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  for (const ask of document.querySelectorAll<HTMLDetailsElement>("details.ask[open]")) {
    if (!ask.contains(event.target as Node)) ask.open = false;
  }
});

function act(key: string): boolean {
  if (chord && performance.now() - chord < CHORD_MS) {
    chord = 0;
    const path = GO[key];
    if (path) location.assign((document.body.dataset.base ?? "") + path);
    return Boolean(path);
  }
  chord = 0;
  switch (key) {
    case "g":
      chord = performance.now();
      return true;
    case "/":
      return search();
    case "?":
      return showHelp(HELP);
    case "j":
    case "k":
      return step(key === "j" ? 1 : -1);
    case "u":
      return up();
    default:
      return false;
  }
}

function search(): boolean {
  const input = document.querySelector<HTMLInputElement>("#search");
  input?.focus();
  input?.select();
  return Boolean(input);
}

function step(by: number): boolean {
  const links = [...document.querySelectorAll<HTMLAnchorElement>("tbody th a")];
  if (!links.length) return false;
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
  return true;
}

function up(): boolean {
  const trail = document.querySelector<HTMLAnchorElement>(".trail a:last-of-type");
  if (trail) location.assign(trail.href);
  return Boolean(trail);
}

/** Closes what asks; the focus goes back to what opened it. */
function fold(): void {
  const open = document.querySelector<HTMLDetailsElement>("details.ask[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary")?.focus();
}
