/** This project's prover through its public library, in a process of its own. Argument: the options of `Prover.open`. */
import { readFile } from "node:fs/promises";
import { proofToJson, publicSignalsToJson } from "../../worker/proof.ts";
import { type OpenOptions, Prover } from "../../worker/prover.ts";
import { discard } from "../../worker/spent-bytes.ts";
import { parseInputs, WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns } from "../../worker/wtns.ts";
import { answerQuestions } from "./child.ts";
import type { Answer, ProvedMessage, Request } from "./message.ts";

type Key = Awaited<ReturnType<Prover["loadKey"]>>;

/** An engine that says where its time went adds this to what `prove` returns. */
interface WithStages {
  readonly stageMs?: Readonly<Record<string, number>>;
}

const prover = await Prover.open(JSON.parse(process.argv[2] ?? "{}") as OpenOptions);
const programs = new Map<string, WitnessProgram>();
let key: Key | undefined;

answerQuestions(async (request: Request): Promise<Answer> => {
  switch (request.kind) {
    case "load": {
      const startedMs = performance.now();
      key = await prover.loadKey({ path: request.zkeyPath }, { allowDevKeys: true });
      return {
        kind: "loaded",
        ms: performance.now() - startedMs,
        engineName: prover.engineName,
      };
    }
    case "prove": {
      const startedMs = performance.now();
      const wtns = await readFile(request.wtnsPath);
      try {
        return await prove(startedMs, wtns);
      } finally {
        discard(wtns);
      }
    }
    case "prove-inputs": {
      const program = await programOf(request.wasmPath);
      const startedMs = performance.now();
      const inputs = parseInputs(await readFile(request.jsonPath));
      const wtns = encodeWtns(program.calculate(inputs));
      const witnessMs = performance.now() - startedMs;
      const proved = await prove(startedMs, wtns);
      return { ...proved, stageMs: { witness: witnessMs, ...proved.stageMs } };
    }
  }
});

async function prove(startedMs: number, wtns: Uint8Array): Promise<ProvedMessage> {
  if (key === undefined) throw new TypeError("prove: no key was loaded");
  const proved = await prover.prove(key, wtns);
  const ms = performance.now() - startedMs;
  const { stageMs } = proved as WithStages;
  return {
    kind: "proved",
    ms,
    proof: proofToJson(proved.proof),
    publicSignals: publicSignalsToJson(proved.publicSignals),
    ...(stageMs && { stageMs }),
  };
}

async function programOf(wasmPath: string): Promise<WitnessProgram> {
  const known = programs.get(wasmPath);
  if (known !== undefined) return known;
  const program = new WitnessProgram(new Uint8Array(await readFile(wasmPath)));
  programs.set(wasmPath, program);
  return program;
}
