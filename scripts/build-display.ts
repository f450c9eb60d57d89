import { type DevKeyProgress, STAGE_SHARE } from "../circuits/setup/dev.ts";

const BAR_CELLS = 24;
/** Redraws of a terminal; more often than this nobody can read. */
const REDRAW_MS = 100;

/**
 * Says what a build of several circuits does: in a terminal one line for each circuit that changes
 * in place, elsewhere one line for each thing that happens.
 */
export class BuildDisplay {
  readonly #ids: readonly string[];
  readonly #out: NodeJS.WriteStream;
  readonly #width: number;
  readonly #texts = new Map<string, string>();
  readonly #done = new Map<string, Partial<Record<DevKeyProgress["stage"], number>>>();
  #linesShown = 0;
  #lastDrawnMs = 0;

  constructor(ids: readonly string[], out: NodeJS.WriteStream = process.stdout) {
    this.#ids = ids;
    this.#out = out;
    this.#width = Math.max(...ids.map((id) => id.length));
    for (const id of ids) this.#texts.set(id, "waiting");
  }

  /** A circuit has come to something new. */
  say(id: string, text: string): void {
    this.#texts.set(id, text);
    if (this.#out.isTTY) this.#draw();
    else this.#out.write(`${id}: ${text}\n`);
  }

  /** A key has come further. Without a terminal only its beginning is said. */
  keyProgress(id: string, progress: DevKeyProgress): void {
    const stages = this.#done.get(id);
    if (stages === undefined) {
      this.#done.set(id, {});
      this.say(id, "making the development key");
      return;
    }
    stages[progress.stage] = progress.done / progress.total;
    const shares = Object.entries(STAGE_SHARE) as [DevKeyProgress["stage"], number][];
    const fraction = shares.reduce((sum, [stage, share]) => sum + share * (stages[stage] ?? 0), 0);
    const cells = Math.round(fraction * BAR_CELLS);
    const bar = "█".repeat(cells) + "░".repeat(BAR_CELLS - cells);
    this.#texts.set(id, `development key ${bar} ${Math.round(100 * fraction)} %`);
    if (this.#out.isTTY && Date.now() - this.#lastDrawnMs >= REDRAW_MS) this.#draw();
  }

  /** Leaves the cursor under the last line, for whatever is written next. */
  end(): void {
    if (this.#out.isTTY) this.#draw();
  }

  #draw(): void {
    const up = this.#linesShown === 0 ? "" : `\u001b[${this.#linesShown}A`;
    const lines = this.#ids.map((id) => {
      const line = `${id.padEnd(this.#width)}  ${this.#texts.get(id) ?? ""}`;
      return `\u001b[2K${line.slice(0, (this.#out.columns || 80) - 1)}\n`;
    });
    this.#out.write(up + lines.join(""));
    this.#linesShown = lines.length;
    this.#lastDrawnMs = Date.now();
  }
}
