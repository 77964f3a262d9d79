// Figures for people; says the same as stats::number in the server.

const LETTERS = ["", "k", "M", "G", "T", "P", "E"];

/** Digits and SI letter: `["12.4", "k"]`. */
export function parts(figure: number): [digits: string, letter: string] {
  if (!Number.isFinite(figure)) return ["–", ""];
  let size = Math.abs(figure);
  if (size >= 1e21 || (size < 1e-6 && size > 0)) {
    return [figure.toExponential(2).replace("e+", "e").replaceAll("-", "−"), ""];
  }
  let letter = 0;
  while (size >= (letter === 0 && Number.isInteger(figure) ? 1000 : 999.95) && letter < 6) {
    size /= 1000;
    letter += 1;
  }
  let places = 2 - Math.floor(Math.log10(size));
  if (letter > 0 || size >= 100) places = 1;
  else if (size >= 1 || size === 0) places = 2;
  const text = trimmed(size.toFixed(Math.min(places, 20)));
  return [(figure < 0 && text !== "0" ? "−" : "") + text, LETTERS[letter] ?? ""];
}

/** As `parts`, with all digits of what is below a hundred thousand: `["12,412", ""]`. */
export function figureParts(figure: number): [digits: string, letter: string] {
  const size = Math.abs(Math.round(figure));
  return size >= 1000 && size < 100_000 ? [grouped(Math.round(figure)), ""] : parts(figure);
}

/** `12.4 k` */
export function short(figure: number): string {
  const [digits, letter] = parts(figure);
  return letter ? `${digits} ${letter}` : digits;
}

/** `1,234,567.5` */
export function grouped(figure: number): string {
  if (!Number.isFinite(figure)) return "–";
  const [whole = "", rest] = String(Math.abs(figure)).split(".");
  const digits = /e/.test(whole) ? whole : whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return (figure < 0 ? "−" : "") + digits + (rest ? `.${rest}` : "");
}

/** `+12 %`, `−3.4 %`, `0 %` */
export function percent(change: number): string {
  const size = Math.abs(change);
  const text = trimmed(size.toFixed(size < 9.95 ? 1 : 0));
  const sign = text === "0" ? "" : change < 0 ? "−" : "+";
  return size >= 100_000 ? `${sign}${short(size)} %` : `${sign}${text} %`;
}

function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
