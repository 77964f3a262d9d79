// The keyboard: one place that says which key does what, and shows it on "?".
import type { EyrieChart } from "./chart.ts";
import { type Help, showHelp } from "./help.ts";
import type { EyriePalette } from "./palette.ts";
import type { EyrieRange } from "./range.ts";

const HELP: Help = [
  [["Ctrl K"], "go to a stat or page"],
  [["/"], "search"],
  [["g", "s"], "to the stats"],
  [["h", "n", "d", "w", "m", "y"], "hour, 12 h, day, week, month, year"],
  [["←", "→"], "read the chart point by point"],
  [["t"], "points as a table"],
  [["j", "k"], "down and up a list, Enter opens"],
  [["?"], "this help"],
];
const CHORD_MS = 1200;
const GO: Record<string, string> = { s: "/stats", t: "/stats/trash", ",": "/settings", e: "/eyrie" };

let chord = 0;

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    const palette = document.querySelector<EyriePalette>("eyrie-palette");
    if (!palette) return;
    event.preventDefault();
    palette.open();
    return;
  }
  const target = event.target as HTMLElement;
  const writing = target.closest("input:not([readonly], [type=checkbox]), textarea, select, dialog");
  if (writing || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Escape" && target.id === "search") target.blur();
    return;
  }
  if (act(event.key)) event.preventDefault();
});

/** Does what `key` means here; false if it means nothing. */
function act(key: string): boolean {
  if (chord && performance.now() - chord < CHORD_MS) {
    chord = 0;
    const href = GO[key];
    if (href) location.assign(href);
    return Boolean(href);
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
    case "t":
      return table();
    case "j":
    case "k":
      return step(key === "j" ? 1 : -1);
    case "ArrowLeft":
    case "ArrowRight":
      return cursor(key === "ArrowLeft" ? -1 : 1);
    default:
      return document.querySelector<EyrieRange>("eyrie-range")?.choose(key) ?? false;
  }
}

function search(): boolean {
  const input = document.querySelector<HTMLInputElement>("#search");
  if (input) {
    input.focus();
    input.select();
    return true;
  }
  const palette = document.querySelector<EyriePalette>("eyrie-palette");
  palette?.open();
  return Boolean(palette);
}

function table(): boolean {
  const points = document.querySelector<HTMLDetailsElement>("#points");
  if (!points) return false;
  points.open = !points.open;
  if (points.open) points.scrollIntoView({ block: "nearest" });
  return true;
}

function step(by: number): boolean {
  const links = [...document.querySelectorAll<HTMLAnchorElement>(".stats tbody a")];
  if (!links.length) return false;
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
  return true;
}

function cursor(by: number): boolean {
  const chart = document.querySelector<EyrieChart>("eyrie-chart.drawn");
  chart?.move(by);
  return Boolean(chart);
}
