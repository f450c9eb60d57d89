// What the audience sees: headings, one line for each thing that happened, a redrawn line for what takes time, tables.

import { styleText } from "node:util";
import { createProgress, type Progress } from "../../prover/command/progress.ts";

type Style = Parameters<typeof styleText>[0];

const out = process.stdout;
/** Respects NO_COLOR and is plain where nobody looks. */
const paint = (style: Style, text: string): string => styleText(style, text, { stream: out });

export class Screen {
  readonly #startedMs = performance.now();
  readonly #failures: string[] = [];
  #expectations = 0;
  #progress: Progress | undefined;

  title(text: string, subtitle: string): void {
    out.write(`\n${paint("bold", text)}\n${paint("dim", subtitle)}\n`);
  }

  chapter(text: string): void {
    this.settle();
    out.write(`\n${paint(["bold", "cyan"], text)}\n`);
  }

  /** Something happened. */
  say(text: string, aside = ""): void {
    this.settle();
    out.write(`  ${text}${aside && paint("dim", `  ${aside}`)}\n`);
  }

  /** Something had to happen, or had to be refused. The demo fails at its end if one did not. */
  expect(isMet: boolean, text: string, aside = ""): void {
    this.#expectations++;
    if (!isMet) this.#failures.push(text);
    const mark = isMet ? paint("green", "✓") : paint(["bold", "red"], "✗ NOT AS EXPECTED:");
    this.say(`${mark} ${text}`, aside);
  }

  /** Work that goes on; the line is redrawn on a terminal. */
  busy(stage: string, done?: number): void {
    this.#progress ??= createProgress(out);
    this.#progress.update(stage, done);
  }

  /** Ends the redrawn line. */
  settle(): void {
    this.#progress?.end();
    this.#progress = undefined;
  }

  /** @param rows first cell to the left, all others to the right. */
  table(heads: readonly string[], rows: readonly (readonly string[])[]): void {
    this.settle();
    const widths = heads.map((head, column) =>
      Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
    );
    const line = (cells: readonly string[]): string =>
      widths
        .map((width, i) =>
          i === 0 ? (cells[i] ?? "").padEnd(width) : (cells[i] ?? "").padStart(width),
        )
        .join("   ");
    out.write(`\n  ${paint("bold", line(heads))}\n`);
    out.write(`  ${paint("dim", widths.map((width) => "─".repeat(width)).join("   "))}\n`);
    for (const row of rows) out.write(`  ${line(row)}\n`);
  }

  /** @returns whether everything was as expected. */
  conclude(): boolean {
    this.settle();
    const seconds = Math.round((performance.now() - this.#startedMs) / 1000);
    const isGood = this.#failures.length === 0;
    const verdict = isGood
      ? paint(["bold", "green"], `All ${this.#expectations} expectations held`)
      : paint(
          ["bold", "red"],
          `${this.#failures.length} of ${this.#expectations} expectations failed`,
        );
    out.write(`\n${verdict}${paint("dim", `  (${seconds} s)`)}\n`);
    for (const failure of this.#failures) out.write(`  ${paint("red", "✗")} ${failure}\n`);
    return isGood;
  }
}
