// The list of keys, shown on "?".

/** Keys that are pressed one after another or instead of each other, and what they do. */
export type Help = [keys: string[], does: string][];

/** Opens the list; true, because it always can. */
export function showHelp(help: Help): boolean {
  const dialog = document.createElement("dialog");
  dialog.className = "help";
  dialog.ariaLabel = "Keys";
  const heading = document.createElement("h2");
  heading.textContent = "Keys";
  const list = document.createElement("dl");
  for (const [keys, does] of help) {
    const term = document.createElement("dt");
    keys.forEach((key, index) => {
      const kbd = document.createElement("kbd");
      kbd.textContent = key;
      if (index) term.append(" ");
      term.append(kbd);
    });
    const meaning = document.createElement("dd");
    meaning.textContent = does;
    list.append(term, meaning);
  }
  dialog.append(heading, list);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return true;
}
