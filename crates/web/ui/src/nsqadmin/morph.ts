// Turns what is shown into what should be shown, touching only what differs: focus, scrolling, what is
// unfolded and what is being typed stay.

/** Kept as the reader has them. */
const OWN: Record<string, string[]> = { DETAILS: ["open"], INPUT: ["value"], DIALOG: ["open"] };

/** Makes `old` like `fresh`. What has `data-keep` is told its new attributes and sees to its inside itself. */
export function morph(old: Element, fresh: Element): void {
  if (old.isEqualNode(fresh)) return;
  attributes(old, fresh);
  if (old.localName === "select" || old.hasAttribute("data-keep")) return;
  const next = [...fresh.childNodes];
  const rows = keyed(old);
  next.forEach((node, index) => {
    let here: ChildNode | undefined = old.childNodes[index];
    const key = node instanceof Element ? node.getAttribute("data-key") : null;
    if (key !== null && rows.has(key)) {
      const own = rows.get(key)!;
      rows.delete(key);
      if (own !== here) old.insertBefore(own, here ?? null);
      here = own;
    } else if (key !== null && here instanceof Element && here.hasAttribute("data-key")) {
      // A new row before known ones.
      old.insertBefore(node.cloneNode(true), here);
      return;
    }
    if (!here) old.append(node.cloneNode(true));
    else if (!alike(here, node)) here.replaceWith(node.cloneNode(true));
    else if (here instanceof Element) morph(here, node as Element);
    else if (here.nodeValue !== node.nodeValue) here.nodeValue = node.nodeValue;
  });
  while (old.childNodes.length > next.length) old.lastChild?.remove();
}

function alike(a: Node, b: Node): boolean {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName
    && (!(a instanceof Element) || a.getAttribute("data-key") === (b as Element).getAttribute("data-key"));
}

function keyed(parent: Element): Map<string, Element> {
  const found = new Map<string, Element>();
  for (const child of parent.children) {
    const key = child.getAttribute("data-key");
    if (key !== null) found.set(key, child);
  }
  return found;
}

function attributes(old: Element, fresh: Element): void {
  const own = OWN[old.nodeName] ?? [];
  for (const { name, value } of fresh.attributes) {
    if (!own.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.hasAttribute("data-keep")) return;
  for (const { name } of [...old.attributes]) {
    if (!own.includes(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}
