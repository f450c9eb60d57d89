// Progress for people: one line that is redrawn on a terminal, a line per stage elsewhere.

/** Redrawing more often costs time and nobody sees it. */
const REDRAW_MS = 80;
const BAR_WIDTH = 28;

export interface Progress {
  /** @param done share of the stage that is done, 0 to 1; leave out when it is not known. */
  update(stage: string, done?: number): void;
  /** Ends the line. Call it also when the work failed. */
  end(): void;
}

const SILENT: Progress = { update() {}, end() {} };

/**
 * @param out    usually stderr, so that stdout stays clean for results.
 * @param silent true where a program reads (`--json`).
 */
export function createProgress(
  out: NodeJS.WritableStream & { isTTY?: boolean },
  { silent = false }: { silent?: boolean } = {},
): Progress {
  if (silent) return SILENT;
  return out.isTTY ? redrawnLine(out) : lineForEachStage(out);
}

function redrawnLine(out: NodeJS.WritableStream): Progress {
  const startedMs = performance.now();
  let lastDrawnMs = Number.NEGATIVE_INFINITY;
  let lastStage = "";
  return {
    update(stage, done) {
      const nowMs = performance.now();
      if (stage === lastStage && done !== 1 && nowMs - lastDrawnMs < REDRAW_MS) return;
      [lastStage, lastDrawnMs] = [stage, nowMs];
      const seconds = ((nowMs - startedMs) / 1000).toFixed(1).padStart(6);
      out.write(`\r\x1b[2K${seconds} s  ${bar(done)}  ${stage}`);
    },
    end() {
      if (lastStage !== "") out.write("\r\x1b[2K");
      lastStage = "";
    },
  };
}

function bar(done: number | undefined): string {
  if (done === undefined) return "·".repeat(BAR_WIDTH).padEnd(BAR_WIDTH + 5);
  const share = Math.min(1, Math.max(0, done));
  const full = Math.round(share * BAR_WIDTH);
  const percent = `${Math.floor(share * 100)}%`.padStart(5);
  return "━".repeat(full) + "─".repeat(BAR_WIDTH - full) + percent;
}

function lineForEachStage(out: NodeJS.WritableStream): Progress {
  let lastStage = "";
  return {
    update(stage) {
      if (stage === lastStage) return;
      lastStage = stage;
      out.write(`${stage}\n`);
    },
    end() {
      lastStage = "";
    },
  };
}
