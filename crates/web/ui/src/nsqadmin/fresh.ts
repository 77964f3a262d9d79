// <eyrie-fresh>: asks for the page again every two seconds and takes over what differs; says whether that works.
// What waits for others to answer (`data-waits`) is asked for again; what is an answer itself, to a form or of
// something that is not there (`data-answer`), stays.
import { morph } from "./morph.ts";

const EVERY_MS = 2000;
/** Without an answer for so long the figures are old. */
const STALE_AFTER_MS = 8000;

type State = "live" | "stale" | "offline" | "waits" | "ended";
const WORDS: Record<State, string> = { live: "live", stale: "stale", offline: "offline", waits: "no answer", ended: "" };
/** What is read aloud; what is missing here is not worth a word. */
const ALOUD: Partial<Record<State, string>> = {
  offline: "No connection to nsqadmin",
  waits: "No daemon answers nsqadmin",
  ended: "What this page showed is not there any more",
};

export class EyrieFresh extends HTMLElement {
  #timer = 0;
  #asking: AbortController | undefined;
  #heard = performance.now();
  #word = document.createElement("span");
  /** What is read aloud: losing the connection and having it back. */
  #told = document.createElement("span");

  connectedCallback(): void {
    this.#told.className = "unseen";
    this.#told.setAttribute("role", "status");
    this.replaceChildren(this.#word, this.#told);
    if (document.querySelector("[data-answer]")) {
      this.hidden = true;
      return;
    }
    this.#say(state(document));
    document.addEventListener("visibilitychange", this.#follow);
    this.#follow();
  }

  disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.#follow);
    this.#rest();
  }

  /** Does not wait for the next time: the address is another one. */
  now(): void {
    this.#rest();
    void this.#ask();
  }

  /** Nobody looks at a hidden page. */
  #follow = (): void => {
    this.#rest();
    if (!document.hidden) this.#timer = setTimeout(() => void this.#ask(), EVERY_MS);
  };

  #rest(): void {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = undefined;
  }

  async #ask(): Promise<void> {
    const asking = new AbortController();
    this.#asking = asking;
    const late = setTimeout(() => this.#say("stale"), STALE_AFTER_MS);
    try {
      const answer = await fetch(fresh(), { headers: { accept: "text/html" }, signal: asking.signal });
      const text = await answer.text();
      if (asking.signal.aborted) return;
      const known = answer.headers.get("content-type")?.startsWith("text/html");
      if (known) {
        const page = new DOMParser().parseFromString(text, "text/html");
        const taken = this.#take(page);
        this.#heard = performance.now();
        this.#say(state(page));
        if (taken && page.querySelector("[data-answer]")) return this.#end();
      } else this.#say("offline");
    } catch {
      if (asking.signal.aborted) return;
      this.#say(performance.now() - this.#heard > STALE_AFTER_MS ? "offline" : "stale");
    } finally {
      clearTimeout(late);
    }
    if (this.#asking === asking) this.#follow();
  }

  /** Nothing is left to ask for. */
  #end(): void {
    this.disconnectedCallback();
    this.#say("ended");
  }

  /** Whether the page is now what was answered. */
  #take(page: Document): boolean {
    const main = document.querySelector("main");
    const next = page.querySelector("main");
    // Whoever marks text wants to copy it.
    if (!main || !next || !getSelection()?.isCollapsed) return false;
    morph(main, next);
    document.title = page.title;
    return true;
  }

  #say(state: State): void {
    const before = this.getAttribute("state");
    if (before === state) return;
    this.setAttribute("state", state);
    this.#word.textContent = WORDS[state];
    const again = state === "live" && (before === "offline" || before === "waits");
    const aloud = again ? "Connected again" : ALOUD[state];
    if (aloud) this.#told.textContent = aloud;
  }
}

/** What a page says of those whom nsqadmin asks. */
function state(page: Document): State {
  return page.querySelector("[data-waits]") ? "waits" : "live";
}

/** The address of this page, without what was just done: that is told once. */
function fresh(): string {
  const url = new URL(location.href);
  for (const name of ["done", "what"]) url.searchParams.delete(name);
  if (url.href !== location.href && performance.now() > SAID_FOR_MS) history.replaceState(history.state, "", url);
  return performance.now() > SAID_FOR_MS ? url.href : location.href;
}

const SAID_FOR_MS = 8000;

customElements.define("eyrie-fresh", EyrieFresh);
