// The line beside a number, redrawn when news come; the first one is the server's (chart/spark.rs).

const SVG = "http://www.w3.org/2000/svg";

/** Redraws `svg` with `values`. */
export function drawSpark(svg: SVGSVGElement, values: (number | null)[]): void {
  const { width, height } = svg.viewBox.baseVal;
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const x = (index: number) => 1 + ((index + 0.5) / values.length) * (width - 5);
  const share = (value: number) => (high > low ? (value - low) / (high - low) : high === 0 ? 0 : 0.5);
  const y = (value: number) => 3 + (1 - share(value)) * (height - 6);
  let d = "";
  let last: [number, number] | undefined;
  values.forEach((value, index) => {
    if (value === null) return;
    const begins = index === 0 || values[index - 1] === null;
    last = [x(index), y(value)];
    d += `${begins ? "M" : "L"}${last[0].toFixed(1)} ${last[1].toFixed(1)}`;
    if (begins && (values[index + 1] ?? null) === null) d += "h.01";
  });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", d);
  const children: Element[] = [path];
  if (last) {
    const dot = document.createElementNS(SVG, "circle");
    const attributes = { cx: last[0], cy: last[1], r: 2, fill: "currentColor", stroke: "none" };
    for (const [name, value] of Object.entries(attributes)) dot.setAttribute(name, String(value));
    children.push(dot);
  }
  svg.replaceChildren(...children);
}
