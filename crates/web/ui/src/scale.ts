// The figure axis, as chart/scale.rs draws it: so that the live chart takes the place of the first
// paint without a jump.

export interface Scale {
  low: number;
  high: number;
  ticks: number[];
  labels: string[];
}

/** An axis with at most `lines` steps: from 0 for a counter, of its own range for a value. */
export function scaleOf(counter: boolean, figures: (number | null)[], lines: number): Scale {
  const known = figures.filter((figure) => figure !== null);
  let low = known.reduce((a, b) => Math.min(a, b), Infinity);
  let high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (low > high) [low, high] = [0, 1];
  if (counter) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low <= size * 1e-11 || high - low < 1e-300) {
    const around = size < 1e-290 ? 1 : size * 0.1;
    [low, high] = size === 0 ? [0, 1] : [low - around, high + around];
  }
  const smallest = counter && known.every(Number.isInteger) ? 1 : 0;
  let step = Math.max(niceStep((high - low) / Math.max(lines, 2)), smallest);
  if (smallest === 1 && !Number.isInteger(step)) step *= 2;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step || 0);
  [low, high] = [first * step, Math.max(last, first + 1) * step];
  const extent = Math.max(Math.abs(low), Math.abs(high));
  return { low, high, ticks, labels: ticks.map((tick) => label(tick, step, extent)) };
}

function niceStep(raw: number): number {
  const power = Math.floor(Math.log10(raw));
  const steps = [1, 2, 2.5, 5, 10, 20].map((factor) => Number(`${factor}e${power}`));
  return steps.find((step) => step >= raw * (1 - 1e-9)) ?? raw;
}

const UNITS: [number, string][] = [[1e18, " E"], [1e15, " P"], [1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]];

function label(tick: number, step: number, size: number): string {
  if (tick === 0) return "0";
  if (size < 1e-4 || size >= 1e21) return tick.toExponential(1).replace(".0e", "e").replace("e+", "e").replaceAll("-", "−");
  let [unit, name] = UNITS.find(([unit]) => size >= unit * 0.999_999 && step >= unit / 1000) ?? [1, ""];
  if (unit === 1e3 && size < 1e4) [unit, name] = [1, ""];
  const scaled = step / unit;
  let decimals = 0;
  while (decimals < 12) {
    const moved = scaled * 10 ** decimals;
    if (Math.abs(moved - Math.round(moved)) < 1e-6 * moved) break;
    decimals += 1;
  }
  const [whole = "", rest] = Math.abs(tick / unit).toFixed(decimals).split(".");
  return (tick < 0 ? "−" : "") + whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? `.${rest}` : "") + name;
}
