// <eyrie-chart stat name kind>: holds the server's picture and its numbers; draws itself live once
// uPlot is there.
import { type Columns, type News, subscribe, updated } from "./news.ts";
import type { Plot } from "./plot.ts";

class EyrieChart extends HTMLElement {
  #columns: Columns | undefined;
  #plot: Plot | undefined;
  #held = false;
  #unsubscribe: (() => void) | undefined;
  #resize: ResizeObserver | undefined;

  async connectedCallback(): Promise<void> {
    const text = this.querySelector("script")?.textContent;
    if (!text) return;
    this.#columns = JSON.parse(text) as Columns;
    this.#unsubscribe = subscribe((news) => this.#hear(news));
    this.addEventListener("pointerenter", () => (this.#held = true));
    this.addEventListener("pointerleave", () => {
      this.#held = false;
      this.#draw();
    });
    this.addEventListener("keydown", (event) => this.#key(event));
    const { Plot } = await import("./plot.ts");
    await document.fonts.ready;
    if (!this.isConnected) return;
    this.#plot = new Plot(this, this.getAttribute("kind") === "counter", this.#columns);
    this.classList.add("drawn");
    this.#resize = new ResizeObserver(() => this.#plot?.resize());
    this.#resize.observe(this);
    // Paper is light, whatever the screen is.
    for (const medium of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(medium).addEventListener("change", () => this.#plot?.recolour());
    }
  }

  disconnectedCallback(): void {
    this.#unsubscribe?.();
    this.#resize?.disconnect();
    this.#plot?.destroy();
  }

  /** Moves the cursor by whole intervals; `ends` to the first or last. */
  move(by: number, ends = false): void {
    this.#plot?.move(by, ends);
  }

  #hear(news: News): void {
    if (news.id !== this.getAttribute("stat") || !this.#columns) return;
    this.#columns = updated(this.#columns, news);
    const before = this.closest("figure")?.querySelector<HTMLElement>("[data-before]");
    if (before) before.hidden = this.#columns.previous.length === 0;
    if (!this.#held) this.#draw();
  }

  /** Whoever reads a point does not want it to move: news wait until the pointer leaves. */
  #draw(): void {
    if (this.#columns) this.#plot?.update(this.#columns);
  }

  #key(event: KeyboardEvent): void {
    const moves: Record<string, [number, boolean]> = {
      ArrowLeft: [-1, false], ArrowRight: [1, false], Home: [-1, true], End: [1, true],
    };
    const move = moves[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.move(...move);
  }
}

customElements.define("eyrie-chart", EyrieChart);
export type { EyrieChart };
