/** Horizontal bars in groups, each group with a scale of its own: within a group lengths compare. */
import { rectangle, svgFile, text } from "./svg.ts";
import { shortNumber } from "./table.ts";

export interface BarGroup {
  readonly title: string;
  readonly bars: readonly {
    readonly label: string;
    readonly colour: string;
    readonly value: number;
  }[];
}

export interface BarChart {
  readonly title: string;
  readonly subtitle: string;
  readonly groups: readonly BarGroup[];
}

const WIDTH = 760;
const LABELS_END = 250;
const BARS = { start: 260, end: 670 } as const;
const BAR_HEIGHT = 20;
const BAR_GAP = 6;
const GROUP_TITLE = 30;
const GROUP_GAP = 14;
const HEAD = 66;
const FAINT = "#59636e";

export function barChart({ title, subtitle, groups }: BarChart): string {
  const shapes: string[] = [];
  let y = HEAD;
  for (const { title: name, bars } of groups) {
    shapes.push(text(20, y + 16, name, { size: 13, isBold: true }));
    y += GROUP_TITLE;
    const longest = Math.max(...bars.map(({ value }) => value));
    for (const { label, colour, value } of bars) {
      const length = ((BARS.end - BARS.start) * value) / longest;
      shapes.push(
        text(LABELS_END, y + 14, label, { anchor: "end" }),
        rectangle(BARS.start, y, Math.max(1, length), BAR_HEIGHT, { fill: colour }),
        text(BARS.start + Math.max(1, length) + 6, y + 14, shortNumber(value), { fill: FAINT }),
      );
      y += BAR_HEIGHT + BAR_GAP;
    }
    y += GROUP_GAP;
  }
  return svgFile({ width: WIDTH, height: y, title }, [
    text(20, 30, title, { size: 16, isBold: true }),
    text(20, 50, subtitle, { fill: FAINT }),
    ...shapes,
  ]);
}
