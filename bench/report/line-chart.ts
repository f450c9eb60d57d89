/** Lines over logarithmic axes: a law t = c n is a straight line, and a factor is a distance. */
import { dot, line, svgFile, text } from "./svg.ts";
import { shortNumber } from "./table.ts";

export interface Series {
  readonly label: string;
  readonly colour: string;
  readonly isDashed?: boolean;
  /** y > 0; ascending in x. */
  readonly points: readonly { readonly log2: number; readonly y: number }[];
}

export interface LineChart {
  readonly title: string;
  readonly subtitle: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

const SIZE = { width: 760, height: 440 } as const;
/** Of the drawing area; the right margin holds the lines' names. */
const AREA = { left: 74, right: 540, top: 72, bottom: 388 } as const;
const GRID = "#d8dee4";
const FAINT = "#59636e";
const LABEL_HEIGHT = 16;

export function lineChart({ title, subtitle, xLabel, yLabel, series }: LineChart): string {
  const points = series.flatMap((one) => one.points);
  const sizes = [...new Set(points.map(({ log2 }) => log2))].toSorted((a, b) => a - b);
  const [first = 0, last = 1] = [sizes[0], sizes.at(-1)];
  const low = Math.floor(Math.log10(Math.min(...points.map(({ y }) => y))));
  const high = Math.ceil(Math.log10(Math.max(...points.map(({ y }) => y))));
  const xAt = (log2: number) =>
    AREA.left + ((log2 - first) / Math.max(1, last - first)) * (AREA.right - AREA.left);
  const yAt = (y: number) =>
    AREA.bottom - ((Math.log10(y) - low) / Math.max(1, high - low)) * (AREA.bottom - AREA.top);

  const decades = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const grid = [
    ...decades.flatMap((y) => [
      line(
        [
          [AREA.left, yAt(y)],
          [AREA.right, yAt(y)],
        ],
        { stroke: GRID, width: 1 },
      ),
      text(AREA.left - 8, yAt(y) + 4, plainNumber(y), { anchor: "end", fill: FAINT }),
    ]),
    ...sizes.map((log2) =>
      text(xAt(log2), AREA.bottom + 20, `2^${log2}`, { anchor: "middle", fill: FAINT }),
    ),
    text((AREA.left + AREA.right) / 2, AREA.bottom + 42, xLabel, { anchor: "middle", fill: FAINT }),
    text(20, (AREA.top + AREA.bottom) / 2, yLabel, { anchor: "middle", fill: FAINT, turn: -90 }),
  ];
  const drawn = series.filter((one) => one.points.length > 0);
  const lines = drawn.flatMap(({ colour, isDashed, points: of }) => [
    line(
      of.map(({ log2, y }) => [xAt(log2), yAt(y)] as const),
      {
        stroke: colour,
        width: 2,
        ...(isDashed && { dash: "5 4" }),
      },
    ),
    ...of.map(({ log2, y }) => dot(xAt(log2), yAt(y), 3, { fill: colour })),
  ]);
  const names = apart(
    drawn.map(({ label, colour, points: of }) => {
      const { y } = of.at(-1) as Series["points"][number];
      return { words: `${label}  ${shortNumber(y)}`, colour, y: yAt(y) + 4 };
    }),
  ).map(({ words, colour, y }) => text(AREA.right + 12, y, words, { fill: colour }));
  return svgFile({ ...SIZE, title }, [
    text(20, 30, title, { size: 16, isBold: true }),
    text(20, 50, subtitle, { fill: FAINT }),
    ...grid,
    ...lines,
    ...names,
  ]);
}

/** Moves labels down until none covers another. */
function apart<T extends { readonly y: number }>(labels: readonly T[]): T[] {
  let floor = Number.NEGATIVE_INFINITY;
  return labels
    .toSorted((a, b) => a.y - b.y)
    .map((label) => {
      const y = Math.max(label.y, floor + LABEL_HEIGHT);
      floor = y;
      return { ...label, y };
    });
}

function plainNumber(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 3 });
}
