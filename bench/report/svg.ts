/** The few shapes that the plots need, as SVG text. Lengths are in user units, one a pixel. */

export interface Style {
  readonly fill?: string;
  readonly stroke?: string;
  readonly width?: number;
  readonly dash?: string;
}

export interface TextStyle {
  readonly fill?: string;
  readonly size?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly isBold?: boolean;
  /** Degrees, clockwise. */
  readonly turn?: number;
}

const INK = "#1f2328";
const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

/** A whole file with a white ground, readable on light and dark pages. */
export function svgFile(
  { width, height, title }: { width: number; height: number; title: string },
  shapes: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}" font-family="${FONT}">`,
    `<title>${escaped(title)}</title>`,
    rectangle(0, 0, width, height, { fill: "#ffffff" }),
    ...shapes,
    "</svg>\n",
  ].join("\n");
}

export function rectangle(
  x: number,
  y: number,
  width: number,
  height: number,
  style: Style,
): string {
  return `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" rx="2"${paint(style)}/>`;
}

export function line(points: readonly (readonly [x: number, y: number])[], style: Style): string {
  const path = points.map(([x, y]) => `${short(x)},${short(y)}`).join(" ");
  return `<polyline points="${path}"${paint({ fill: "none", ...style })}/>`;
}

export function dot(x: number, y: number, radius: number, style: Style): string {
  return `<circle cx="${short(x)}" cy="${short(y)}" r="${radius}"${paint(style)}/>`;
}

export function text(x: number, y: number, words: string, style: TextStyle = {}): string {
  const { fill = INK, size = 12, anchor = "start", isBold = false, turn } = style;
  const weight = isBold ? ' font-weight="600"' : "";
  const rotate = turn === undefined ? "" : ` transform="rotate(${turn} ${short(x)} ${short(y)})"`;
  return `<text x="${short(x)}" y="${short(y)}" font-size="${size}" fill="${fill}" text-anchor="${anchor}"${weight}${rotate}>${escaped(words)}</text>`;
}

function paint({ fill, stroke, width, dash }: Style): string {
  const attributes = { fill, stroke, "stroke-width": width, "stroke-dasharray": dash };
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${value}"`)
    .join("");
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(words: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return words.replaceAll(/[&<>"]/g, (character) => entities[character] as string);
}
