import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { writeWhole } from "../worker/binfile.ts";
import { type ArtefactHashes, type ArtefactName, FILE_NAMES } from "./manifest.ts";

/**
 * The hashes that the development artefacts must have, committed beside the sources. They show on
 * every machine that compiler and set-up still give the same bytes, and make every change of a
 * circuit visible in its commit.
 */
export interface Pins {
  /** Seed of all keys. */
  readonly seed: string;
  readonly circuits: Readonly<Record<string, ArtefactHashes>>;
}

export const PINS_PATH = fileURLToPath(new URL("pins.json", import.meta.url));

export async function readPins(path = PINS_PATH): Promise<Pins> {
  return JSON.parse(await readFile(path, "utf8"));
}

export async function writePins(pins: Pins, path = PINS_PATH): Promise<void> {
  const circuits = Object.fromEntries(
    Object.entries(pins.circuits).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const text = `${JSON.stringify({ seed: pins.seed, circuits }, null, 2)}\n`;
  await writeWhole(path, [Buffer.from(text)]);
}

/** What a difference means, by the first file in which it appears. */
const MEANING: Readonly<Record<ArtefactName, string>> = {
  r1cs: "the circuit's sources or its compiler have changed: other constraints, and another key",
  wasm: "the witness program has changed with the same constraints: sources or compiler",
  zkey: "the set-up gives another key for the same constraints: seed or set-up code",
  verificationKey: "the same key is written in another form: set-up code",
};

/**
 * Compares a circuit's artefacts with their pins.
 *
 * @returns undefined if they are equal, or if the circuit has no pins and there is nothing to
 *   compare; else an explanation for people.
 */
export function explainDifference(
  pins: Pins,
  circuitId: string,
  hashes: ArtefactHashes,
): string | undefined {
  const expected = pins.circuits[circuitId];
  if (expected === undefined) return undefined;
  const names = Object.keys(FILE_NAMES) as ArtefactName[];
  const different = names.filter((name) => hashes[name] !== expected[name]);
  const [first] = different;
  if (first === undefined) return undefined;
  const lines = different.map(
    (name) => `  ${FILE_NAMES[name]}: got ${hashes[name]}, expected ${expected[name]}`,
  );
  return [`${circuitId}: not what circuits/pins.json pins; ${MEANING[first]}.`, ...lines].join(
    "\n",
  );
}
