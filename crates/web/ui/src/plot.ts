// The live chart: uPlot, dressed as the server's picture.
import uPlot from "uplot";
import { ticks } from "./calendar.ts";
import { grouped, short } from "./format.ts";
import type { Columns } from "./news.ts";
import { type Scale, scaleOf } from "./scale.ts";
import { ZONE, moment } from "./times.ts";

const TOP = 12;
const BELOW = 26;
const RIGHT = 8;
const HAIRLINE_EVERY = 48;
const BARS_BELOW = 40;
const FONT = '11px "Inter Variable", Inter, system-ui, sans-serif';
const ZONE_FONT = FONT.replace("11px", "9px");

export class Plot {
  #host: HTMLElement;
  #counter: boolean;
  #columns: Columns;
  #scale: Scale;
  #colours: Record<"rule" | "zero" | "muted" | "series" | "card", string>;
  #plot: uPlot;
  #readout = document.createElement("div");
  #said = document.createElement("p");

  constructor(host: HTMLElement, counter: boolean, columns: Columns) {
    this.#host = host;
    this.#counter = counter;
    this.#columns = columns;
    this.#readout.className = "readout";
    this.#said.className = "unseen";
    this.#said.setAttribute("aria-live", "polite");
    this.#colours = this.#readColours();
    this.#scale = this.#newScale();
    this.#plot = this.#make();
    host.append(this.#readout, this.#said);
  }

  update(columns: Columns): void {
    const remade = this.#bars() !== (this.#counter && columns.values.length < BARS_BELOW)
      || (columns.previous.length > 0) !== (this.#columns.previous.length > 0);
    const zoomed = this.#zoomed();
    this.#columns = columns;
    this.#scale = this.#newScale();
    if (remade) this.#remake(zoomed);
    else {
      this.#plot.setData(this.#data(), !zoomed);
      if (zoomed) this.#plot.setScale("x", zoomed);
    }
  }

  /** The part that was dragged out, if it is not the whole. */
  #zoomed(): { min: number; max: number } | undefined {
    const { min, max } = this.#plot.scales.x ?? {};
    if (min === undefined || max === undefined) return undefined;
    return min > this.#columns.start || max < this.#end() ? { min, max } : undefined;
  }

  #remake(zoomed: { min: number; max: number } | undefined): void {
    this.#plot.destroy();
    this.#plot = this.#make();
    if (zoomed) this.#plot.setScale("x", zoomed);
  }

  resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#host;
    if (width !== this.#plot.width || height !== this.#plot.height) {
      this.#scale = this.#newScale();
      this.#plot.setSize({ width, height });
    }
  }

  recolour(): void {
    this.#colours = this.#readColours();
    this.#remake(this.#zoomed());
  }

  destroy(): void {
    this.#plot.destroy();
  }

  move(by: number, ends: boolean): void {
    const last = this.#columns.values.length - 1;
    const at = this.#plot.cursor.idx ?? (by < 0 ? last + 1 : -1);
    const index = ends ? (by < 0 ? 0 : last) : Math.min(Math.max(at + by, 0), last);
    const value = this.#columns.values[index] ?? this.#scale.low;
    const left = this.#plot.valToPos(this.#middle(index), "x");
    this.#plot.setCursor({ left, top: this.#plot.valToPos(value, "y") });
    this.#said.textContent = this.#words(index).join(", ");
  }

  #bars(): boolean {
    return this.#counter && this.#columns.values.length < BARS_BELOW;
  }

  #middle(index: number): number {
    return this.#columns.start + (index + 0.5) * this.#columns.step;
  }

  #end(): number {
    return this.#columns.start + this.#columns.values.length * this.#columns.step;
  }

  #data(): uPlot.AlignedData {
    const { values, previous } = this.#columns;
    const times = values.map((_, index) => this.#middle(index));
    const before = previous.length ? previous : values.map(() => null);
    return this.#bars() ? [times, values, before] : [times, before, values];
  }

  #newScale(): Scale {
    const height = this.#host.clientHeight - TOP - BELOW;
    const lines = Math.min(Math.max(Math.floor(height / HAIRLINE_EVERY), 2), 4);
    return scaleOf(this.#counter, this.#columns.values.concat(this.#columns.previous), lines);
  }

  #readColours(): Record<"rule" | "zero" | "muted" | "series" | "card", string> {
    const style = getComputedStyle(this.#host);
    const read = (name: string) => style.getPropertyValue(`--${name}`);
    return { rule: read("rule"), zero: read("zero"), muted: read("muted"), series: read("series"), card: read("card") };
  }

  #make(): uPlot {
    const { rule, muted, series, card } = this.#colours;
    const bars = this.#bars();
    const faint = (alpha: string) => series.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
    const before: uPlot.Series = { stroke: faint("0.55"), width: 1.25, dash: [4, 3], points: { show: false } };
    const now: uPlot.Series = bars
      ? { fill: faint("0.85"), width: 0, paths: uPlot.paths.bars!({ size: [this.#share(), Infinity] }), points: { show: false } }
      : {
          stroke: series, width: 1.5, ...(this.#counter ? { fill: faint("0.08") } : {}),
          points: { show: true, size: 9, width: 1.5, stroke: card, fill: series, filter: (u, at) => this.#marked(u, at) },
        };
    const options: uPlot.Options = {
      width: this.#host.clientWidth,
      height: this.#host.clientHeight,
      padding: [TOP, RIGHT, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false, range: (_, min, max) => this.#range(min, max) },
        y: { range: () => [this.#scale.low, this.#scale.high] },
      },
      axes: [
        {
          size: BELOW, gap: 10, font: FONT, stroke: muted, grid: { show: false }, ticks: { show: false },
          splits: (u) => this.#ticks(u).map((tick) => tick.at),
          values: (u) => this.#ticks(u).map((tick) => tick.text),
        },
        {
          size: () => this.#left(), gap: 8, font: FONT, stroke: muted, ticks: { show: false },
          grid: { stroke: rule, width: 1 },
          splits: () => this.#scale.ticks,
          values: () => this.#scale.labels,
        },
      ],
      series: [
        {},
        ...(bars ? [now, before] : [before, now]),
      ],
      cursor: {
        y: false,
        points: { size: 8, width: 2, stroke: () => card, fill: () => series, show: !bars },
        drag: { x: true, y: false },
      },
      hooks: {
        setCursor: [(u) => this.#read(u)],
        drawAxes: [(u) => this.#zero(u), (u) => this.#zone(u)],
        ready: [(u) => u.root.setAttribute("aria-hidden", "true")],
      },
    };
    return new uPlot(options, this.#data(), this.#host);
  }

  /** The whole window, unless a part was dragged out. */
  #range(min: number, max: number): [number, number] {
    const whole = min <= this.#middle(0) && max >= this.#end() - this.#columns.step;
    return whole || !(max > min) ? [this.#columns.start, this.#end()] : [min, max];
  }

  #ticks(u: uPlot): { at: number; text: string }[] {
    const { min = this.#columns.start, max = this.#end() } = u.scales.x ?? {};
    const width = u.bbox.width / devicePixelRatio;
    const pixels = (seconds: number) => ((seconds - min) / (max - min)) * width;
    return ticks(min, max, width).filter(({ at, text }) => {
      const half = measured(text) / 2;
      return pixels(at) - half >= 0 && pixels(at) + half <= width + RIGHT - 2;
    });
  }

  /** Room for the labels, as much as the server leaves. */
  #left(): number {
    return 10 + Math.max(22, ...this.#scale.labels.map(measured));
  }

  /** The part of an interval that its bar takes. */
  #share(): number {
    const pitch = (this.#host.clientWidth - 40) / this.#columns.values.length;
    return 1 - Math.min(Math.max(pitch * 0.22, 0.5), 10) / pitch;
  }

  /** The last point, and points without neighbours, which no line shows. */
  #marked(u: uPlot, at: number): number[] | null {
    const values = u.data[at] ?? [];
    const known = (index: number) => (values[index] ?? null) !== null;
    const marked: number[] = [];
    let last = -1;
    for (let index = 0; index < values.length; index += 1) {
      if (!known(index)) continue;
      last = index;
      if (!known(index - 1) && !known(index + 1)) marked.push(index);
    }
    if (last >= 0 && marked.at(-1) !== last) marked.push(last);
    return marked;
  }

  /** The line at zero is darker than the others. */
  #zero(u: uPlot): void {
    if (this.#scale.low > 0 || this.#scale.high < 0) return;
    const y = Math.round(u.valToPos(0, "y", true));
    u.ctx.save();
    u.ctx.strokeStyle = this.#colours.zero;
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y - 0.5);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y - 0.5);
    u.ctx.stroke();
    u.ctx.restore();
  }

  /** In whose time the axis is. */
  #zone(u: uPlot): void {
    u.ctx.save();
    u.ctx.font = ZONE_FONT.replace("9px", `${9 * devicePixelRatio}px`);
    u.ctx.fillStyle = this.#colours.muted;
    u.ctx.textAlign = "right";
    u.ctx.textBaseline = "alphabetic";
    const y = u.bbox.top + u.bbox.height + 19 * devicePixelRatio;
    // A long name, such as GMT+1, needs all the room at the left.
    const right = Math.max(u.bbox.left - 8 * devicePixelRatio, u.ctx.measureText(ZONE).width);
    u.ctx.fillText(ZONE, right, y);
    u.ctx.restore();
  }

  /** What stands at an interval: when, which figure, which before. */
  #words(index: number): [when: string, figure: string, before: string] {
    const { start, step, values, previous } = this.#columns;
    const value = values[index] ?? null;
    const earlier = previous[index] ?? null;
    const figure = value === null ? "nothing received" : Math.abs(value) < 1e15 ? grouped(rounded(value)) : short(value);
    return [`${moment(start + index * step)} ${ZONE}`, figure, earlier === null ? "" : `before: ${grouped(rounded(earlier))}`];
  }

  #read(u: uPlot): void {
    const { idx, left = -1 } = u.cursor;
    const shown = idx !== null && idx !== undefined && left >= 0;
    this.#readout.classList.toggle("shown", shown);
    if (!shown) return;
    const [when, figure, before] = this.#words(idx);
    const strong = document.createElement("b");
    strong.textContent = figure;
    const lines = [when, before].map((text) => {
      const span = document.createElement("span");
      span.textContent = text;
      return span;
    });
    this.#readout.replaceChildren(strong, ...lines);
    const x = u.bbox.left / devicePixelRatio + left;
    const room = this.#host.clientWidth - this.#readout.offsetWidth - 4;
    const beside = x + 14 > room ? x - this.#readout.offsetWidth - 14 : x + 14;
    this.#readout.style.transform = `translate(${Math.max(4, beside)}px, ${TOP}px)`;
  }
}

const paper = document.createElement("canvas").getContext("2d");

/** The width of a label, in pixels. */
function measured(text: string): number {
  if (!paper) return text.length * 6.4;
  paper.font = FONT;
  return paper.measureText(text).width;
}

/** Six significant digits: enough to read at a point. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(6));
}
