/** What may be logged of an unexpected error. */
export interface Fault {
  /** Its class, and Node's code if it has one. */
  readonly kind: string;
  /** Where it was thrown, and where its cause was. */
  readonly frames: readonly string[];
}

const FRAMES_MAX = 12;

/** Kind and place of an error without its text: `BigInt("…")` and `JSON.parse` quote what they choke on. */
export function faultOf(caught: unknown): Fault {
  const kinds: string[] = [];
  const frames: string[] = [];
  for (let error = caught; error !== undefined && kinds.length < 4; error = causeOf(error)) {
    kinds.push(kindOf(error));
    if (error instanceof Error) {
      const lines = (error.stack ?? "").split("\n").map((line) => line.trim());
      frames.push(...lines.filter((line) => line.startsWith("at ")).slice(0, FRAMES_MAX));
    }
  }
  return { kind: kinds.join(" < "), frames };
}

function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^[A-Z_]+$/.test(code) ? `${error.name} ${code}` : error.name;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
