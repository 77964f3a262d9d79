// <eyrie-live src="/live?..">: listens to the server, passes news on, and says whether it still does.
import { type News, publish, publishList } from "./news.ts";

/** Without a word for so long the stream is stale: two beats and a bit. */
const STALE_AFTER_MS = 12_000;
/** After an answer that ends the stream (a limit, a restart), try again. */
const AGAIN_AFTER_MS = 10_000;

type State = "connecting" | "live" | "stale" | "offline";

class EyrieLive extends HTMLElement {
  static readonly observedAttributes = ["src"];

  #stream: EventSource | undefined;
  #heard = 0;
  #watch = 0;
  #again = 0;
  #word = document.createElement("span");
  /** What is read aloud: losing the connection and having it back, not every breath of it. */
  #told = document.createElement("span");

  connectedCallback(): void {
    this.#told.className = "unseen";
    this.#told.setAttribute("role", "status");
    this.replaceChildren(this.#word, this.#told);
    this.#say("connecting");
    document.addEventListener("visibilitychange", this.#follow);
    addEventListener("pagehide", this.#close);
    addEventListener("pageshow", this.#follow);
    this.#follow();
  }

  disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.#follow);
    removeEventListener("pagehide", this.#close);
    removeEventListener("pageshow", this.#follow);
    this.#close();
  }

  /** Other stats to follow: the next stream takes over without a word. */
  attributeChangedCallback(_: string, before: string | null): void {
    if (before === null || !this.#stream) return;
    const heard = this.#heard;
    this.#close();
    this.#open();
    this.#heard = heard;
  }

  /** Nobody looks at a hidden page: it lets its stream go. */
  #follow = (): void => {
    if (document.hidden) this.#close();
    else if (!this.#stream) this.#open();
  };

  #open(): void {
    const stream = new EventSource(this.getAttribute("src") ?? "/live");
    this.#stream = stream;
    stream.onopen = () => this.#hear();
    stream.addEventListener("beat", () => this.#hear());
    stream.addEventListener("stat", (event) => {
      this.#hear();
      publish(JSON.parse(event.data) as News);
    });
    stream.addEventListener("list", () => {
      this.#hear();
      publishList();
    });
    stream.addEventListener("first", (event) => {
      this.#close();
      location.assign(event.data);
    });
    stream.onerror = () => {
      this.#say("offline");
      if (stream.readyState !== EventSource.CLOSED) return;
      this.#close();
      this.#again = setTimeout(this.#follow, AGAIN_AFTER_MS);
    };
    this.#watch = setInterval(() => {
      if (this.getAttribute("state") === "live" && performance.now() - this.#heard > STALE_AFTER_MS) this.#say("stale");
    }, 1000);
  }

  #close = (): void => {
    clearInterval(this.#watch);
    clearTimeout(this.#again);
    this.#stream?.close();
    this.#stream = undefined;
    this.#heard = 0;
  };

  #hear(): void {
    this.#heard = performance.now();
    this.#say("live");
  }

  #say(state: State): void {
    const before = this.getAttribute("state");
    if (before === state) return;
    this.setAttribute("state", state);
    this.#word.className = this.hasAttribute("first") ? "unseen" : "";
    this.#word.textContent = state;
    if (state === "offline") this.#told.textContent = "No connection to the server";
    else if (before === "offline" && state === "live") this.#told.textContent = "Connected again";
  }
}

customElements.define("eyrie-live", EyrieLive);
