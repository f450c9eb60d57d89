/** The files that a native prover writes: snarkjs's proof.json and public.json. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProofJson } from "../../worker/proof.ts";
import type { ProvedMessage } from "./message.ts";

export function outputPaths(folder: string, count = 0): [proof: string, signals: string] {
  return [join(folder, `proof-${count}.json`), join(folder, `public-${count}.json`)];
}

/** @throws Error of the system or the parser if they are not there or not JSON. */
export async function readOutput(
  proofPath: string,
  signalsPath: string,
): Promise<Pick<ProvedMessage, "proof" | "publicSignals">> {
  const [proof, signals] = await Promise.all(
    [proofPath, signalsPath].map(async (path) => JSON.parse(await readFile(path, "utf8"))),
  );
  return { proof: proof as ProofJson, publicSignals: signals as string[] };
}
