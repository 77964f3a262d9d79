// <eyrie-counter value>: a number whose digits roll. Between two answers it moves on at the pace of the
// last one, so that it counts instead of jumping.
import { grouped } from "../format.ts";

/** As long as until the next answer, and a bit. */
const ROLL_MS = 2100;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

class EyrieCounter extends HTMLElement {
  static observedAttributes = ["value"];
  #digits = document.createElement("span");
  #from = 0;
  #to = 0;
  #began = 0;
  #frame = 0;
  #shown = -1;

  connectedCallback(): void {
    const value = this.#asked();
    this.#digits.className = "digits";
    this.#digits.ariaHidden = "true";
    this.setAttribute("data-keep", "");
    this.setAttribute("role", "img");
    this.replaceChildren(this.#digits);
    this.#from = this.#to = value;
    this.#show(value);
  }

  disconnectedCallback(): void {
    cancelAnimationFrame(this.#frame);
  }

  attributeChangedCallback(): void {
    if (!this.isConnected || this.#shown < 0) return;
    this.#from = this.#shown;
    this.#to = this.#asked();
    this.#began = performance.now();
    cancelAnimationFrame(this.#frame);
    // A node that went away takes its messages with it.
    if (STILL.matches || this.#to < this.#from) this.#show(this.#to);
    else this.#roll();
  }

  #asked(): number {
    return Number(this.getAttribute("value") ?? 0);
  }

  #roll = (): void => {
    const share = Math.min((performance.now() - this.#began) / ROLL_MS, 1);
    this.#show(Math.round(this.#from + (this.#to - this.#from) * share));
    if (share < 1) this.#frame = requestAnimationFrame(this.#roll);
  };

  #show(value: number): void {
    if (value === this.#shown) return;
    this.#shown = value;
    const text = grouped(value);
    this.ariaLabel = text;
    while (this.#digits.children.length > text.length) this.#digits.firstElementChild?.remove();
    while (this.#digits.children.length < text.length) this.#digits.prepend(column());
    [...text].forEach((letter, index) => {
      const place = this.#digits.children[index] as HTMLElement;
      const strip = place.firstElementChild as HTMLElement;
      const digit = Number(letter);
      place.classList.toggle("mark", Number.isNaN(digit));
      if (Number.isNaN(digit)) place.dataset.mark = letter;
      else strip.style.transform = `translateY(${-digit * 10}%)`;
    });
  }
}

/** One place of the number: a strip of all digits behind a window. */
function column(): HTMLElement {
  const place = document.createElement("span");
  const strip = document.createElement("span");
  strip.className = "strip";
  for (let digit = 0; digit < 10; digit += 1) {
    const letter = document.createElement("span");
    letter.textContent = String(digit);
    strip.append(letter);
  }
  place.append(strip);
  return place;
}

customElements.define("eyrie-counter", EyrieCounter);
