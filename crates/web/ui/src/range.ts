// <eyrie-range>: the timeframe picker. Its links work by themselves; here they answer to keys.

class EyrieRange extends HTMLElement {
  /** Goes to the timeframe of `key`; false if there is none. */
  choose(key: string): boolean {
    const link = this.querySelector<HTMLAnchorElement>(`a[data-key="${CSS.escape(key)}"]`);
    if (!link) return false;
    if (!link.hasAttribute("aria-current")) link.click();
    return true;
  }
}

customElements.define("eyrie-range", EyrieRange);
export type { EyrieRange };
