// <eyrie-palette>: Ctrl/Cmd-K; goes to any stat or page by typing a part of its name.

interface Place {
  name: string;
  about: string;
  href: string;
}

const PAGES: Place[] = [
  { name: "Stats", about: "page", href: "/stats" },
  { name: "Trash", about: "page", href: "/stats/trash" },
  { name: "Settings", about: "page", href: "/settings" },
  { name: "Eyrie’s own stats", about: "page", href: "/eyrie" },
];
const TYPING_MS = 90;
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

class EyriePalette extends HTMLElement {
  #dialog = document.createElement("dialog");
  #input = document.createElement("input");
  #list = document.createElement("ul");
  #places: Place[] = [];
  #chosen = 0;
  #typing = 0;
  #asked = 0;
  /** The search whose places are shown. */
  #found: string | null = null;

  connectedCallback(): void {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Go to a stat or page";
    const key = document.createElement("kbd");
    key.textContent = MAC ? "⌘K" : "Ctrl K";
    button.append("Go to…", key);
    button.addEventListener("click", () => this.open());
    this.#dialog.className = "palette";
    this.#dialog.ariaLabel = "Go to a stat or page";
    this.#input.placeholder = "Go to a stat or page";
    this.#list.id = "palette-places";
    this.#list.setAttribute("role", "listbox");
    this.#list.ariaLabel = "Places";
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-controls": this.#list.id, "aria-expanded": "true", "aria-autocomplete": "list",
      "aria-label": "Go to a stat or page", autocomplete: "off", spellcheck: "false",
    })) this.#input.setAttribute(name, value);
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => void this.#find(), TYPING_MS);
    });
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", (event) => {
      const item = (event.target as Element).closest("li");
      if (item) this.#go([...this.#list.children].indexOf(item));
    });
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#dialog.append(this.#input, this.#list);
    this.append(button, this.#dialog);
  }

  open(): void {
    if (this.#dialog.open) return;
    this.#input.value = "";
    this.#found = null;
    this.#dialog.showModal();
    void this.#find();
  }

  async #find(): Promise<void> {
    const asked = (this.#asked += 1);
    const search = this.#input.value.trim();
    const words = search.toLowerCase().split(/\s+/);
    const pages = PAGES.filter(({ name, href }) =>
      words.every((word) => name.toLowerCase().includes(word))
      && (href !== "/eyrie" || document.querySelector('.top a[href="/eyrie"]')));
    let stats: Place[] = [];
    try {
      const answer = await fetch(`/stats/names.json?q=${encodeURIComponent(search)}`);
      const view = (await answer.json()) as { stats?: { id: string; name: string; kind: string }[] };
      stats = (view.stats ?? []).map(({ id, name, kind }) => ({ name, about: kind, href: `/stats/${id}` }));
    } catch {
      // Offline: the pages alone.
    }
    if (asked !== this.#asked) return;
    this.#found = search;
    this.#places = (search ? [...stats, ...pages] : [...pages, ...stats.slice(0, 4)]);
    this.#chosen = 0;
    this.#show();
  }

  #show(): void {
    this.#list.replaceChildren(...this.#places.map(({ name, about }, index) => {
      const item = document.createElement("li");
      item.id = `palette-${index}`;
      item.setAttribute("role", "option");
      item.ariaSelected = String(index === this.#chosen);
      const title = document.createElement("span");
      title.textContent = name;
      const kind = document.createElement("span");
      kind.className = "kind";
      kind.textContent = about;
      item.append(title, kind);
      return item;
    }));
    this.#input.setAttribute("aria-activedescendant", this.#places.length ? `palette-${this.#chosen}` : "");
    this.#list.children[this.#chosen]?.scrollIntoView({ block: "nearest" });
  }

  #key(event: KeyboardEvent): void {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && this.#places.length) {
      event.preventDefault();
      this.#chosen = (this.#chosen + by + this.#places.length) % this.#places.length;
      this.#show();
    } else if (event.key === "Enter") {
      event.preventDefault();
      void this.#enter();
    }
  }

  /** Goes to what was typed, not to what a slower answer still shows. */
  async #enter(): Promise<void> {
    const typed = this.#input.value.trim();
    if (typed !== this.#found) {
      clearTimeout(this.#typing);
      await this.#find();
    }
    if (typed === this.#found) this.#go(this.#chosen);
  }

  #go(index: number): void {
    const place = this.#places[index];
    if (place) location.assign(place.href);
  }
}

customElements.define("eyrie-palette", EyriePalette);
export type { EyriePalette };
