// A new password is typed twice; that the two differ is said before the form is sent, so that nothing typed is lost.

/** Starts looking, where there are two such fields. */
export function comparePasswords(): void {
  const first = document.querySelector<HTMLInputElement>("#new-password");
  const second = document.querySelector<HTMLInputElement>("#again");
  if (!first || !second) return;
  const compare = () =>
    second.setCustomValidity(second.value && second.value !== first.value ? "The two passwords differ: type the same twice." : "");
  first.addEventListener("input", compare);
  second.addEventListener("input", compare);
}
