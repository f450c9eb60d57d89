/**
 * snarkjs in a process of its own. Argument: { singleThread }.
 *
 * It has no resident keys: each proof reads the key's sections again, here from memory, which spares
 * it the disk. From inputs it does what its `fullProve` does, the witness program's compilation
 * included, in two steps that are timed apart.
 */
import { readFile } from "node:fs/promises";
import * as snarkjs from "snarkjs";
import type { ProofJson } from "../../worker/proof.ts";
import { answerQuestions } from "./child.ts";
import type { Answer, ProvedMessage, Request } from "./message.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as { readonly singleThread?: boolean };
const { groth16 } = snarkjs;
let zkey: Uint8Array | undefined;

answerQuestions(async (request: Request): Promise<Answer> => {
  const startedMs = performance.now();
  switch (request.kind) {
    case "load":
      zkey = new Uint8Array(await readFile(request.zkeyPath));
      return { kind: "loaded", ms: performance.now() - startedMs, engineName: "snarkjs" };
    case "prove": {
      const wtns = new Uint8Array(await readFile(request.wtnsPath));
      return proved(startedMs, await groth16.prove(loaded(), wtns, undefined, options));
    }
    case "prove-inputs": {
      const inputs = JSON.parse(await readFile(request.jsonPath, "utf8"));
      const wasm = new Uint8Array(await readFile(request.wasmPath));
      // The types do not know this place for a file in memory.
      const wtns = { type: "mem" } as unknown as Uint8Array;
      await snarkjs.wtns.calculate(inputs, wasm, wtns);
      const witness = performance.now() - startedMs;
      const made = await groth16.prove(loaded(), wtns, undefined, options);
      return { ...proved(startedMs, made), stageMs: { witness } };
    }
  }
});

function loaded(): Uint8Array {
  if (zkey === undefined) throw new TypeError("prove: no key was loaded");
  return zkey;
}

function proved(startedMs: number, made: Awaited<ReturnType<typeof groth16.prove>>): ProvedMessage {
  return {
    kind: "proved",
    ms: performance.now() - startedMs,
    proof: made.proof as unknown as ProofJson,
    publicSignals: made.publicSignals.map(String),
  };
}
