/** A run as a picture: a strip for each measure, one above the other, over the same time. */
import { line, svgFile, text } from "../../bench/report/svg.ts";
import { MEASURES, type Sample } from "./samples.ts";

const WIDTH = 760;
const STRIP = { left: 20, right: 600, top: 60, height: 90, gap: 34 } as const;
const FAINT = "#59636e";

/**
 * @param steadyFrom  the second from which trends are judged.
 * @param restarts    seconds at which the service was ended.
 */
export function soakPlot(
  samples: readonly Sample[],
  { steadyFrom, restarts }: { steadyFrom: number; restarts: readonly number[] },
): string {
  const end = samples.at(-1)?.at ?? 1;
  const height = STRIP.top + MEASURES.length * (STRIP.height + STRIP.gap) + 20;
  const xAt = (at: number) => STRIP.left + (at / end) * (STRIP.right - STRIP.left);
  const upright = (at: number, dash: string) =>
    line(
      [
        [xAt(at), STRIP.top],
        [xAt(at), height - 30],
      ],
      { stroke: FAINT, width: 1, dash },
    );
  const strips = MEASURES.flatMap(({ name, unit }, i) => {
    const bottom = STRIP.top + i * (STRIP.height + STRIP.gap) + STRIP.height;
    const values = samples.map((sample) => sample[name]);
    const most = Math.max(1, ...values);
    const shown = (value: number) =>
      unit === "MB" ? `${(value / 1e6).toFixed(1)} MB` : `${value}`;
    const points = samples.map(
      (sample) => [xAt(sample.at), bottom - (sample[name] / most) * STRIP.height] as const,
    );
    return [
      line(
        [
          [STRIP.left, bottom],
          [STRIP.right, bottom],
        ],
        { stroke: "#d8dee4", width: 1 },
      ),
      line(points, { stroke: "#0969da", width: 1.5 }),
      text(STRIP.right + 10, bottom - STRIP.height + 10, name, { isBold: true }),
      text(STRIP.right + 10, bottom - STRIP.height + 28, `most ${shown(most)}`, { fill: FAINT }),
      text(STRIP.right + 10, bottom, `at the end ${shown(values.at(-1) ?? 0)}`, { fill: FAINT }),
    ];
  });
  return svgFile({ width: WIDTH, height, title: "What the service takes in a soak" }, [
    text(STRIP.left, 26, "What the service takes in a soak", { size: 16, isBold: true }),
    text(STRIP.left, 44, `${Math.round(end)} s; dotted: restarts; dashed: trends count from here`, {
      fill: FAINT,
    }),
    ...restarts.map((at) => upright(at, "1 4")),
    upright(Math.min(steadyFrom, end), "6 4"),
    ...strips,
  ]);
}
