import { ENGINE_CHOICES, type EngineChoice } from "../../worker/engines/open.ts";
import { proofToJson, publicSignalsToJson } from "../../worker/proof.ts";
import { Prover } from "../../worker/prover.ts";
import { type Command, EXIT, positionalArguments, textFlag, UsageError } from "./command.ts";
import { readWholeFile, requireOwnFiles, writeJsonFile } from "./output.ts";
import { createProgress } from "./progress.ts";

export const prove: Command = {
  name: "prove",
  summary: "make a proof from a .zkey and a .wtns, as rapidsnark's command does",
  usage: `ZKEY WTNS PROOF.json PUBLIC.json [--r1cs FILE] [--engine NAME] [--gpu-device NAME]
       [--allow-dev-keys] [--json]

Takes any Groth16 key over BN254 from circom and snarkjs. The proof is verified before it is written;
both files are as snarkjs writes them.
  --r1cs FILE        names the constraint that fails when the witness does not satisfy the circuit
  --engine NAME      vulkan (a GPU), wasm, or auto: a GPU that can be used, else wasm (auto)
  --gpu-device NAME  part of the name of the GPU to use, and the only way to a software device
  --allow-dev-keys   accept a development key, with which anybody can forge proofs`,
  options: {
    r1cs: { type: "string" },
    engine: { type: "string" },
    "gpu-device": { type: "string" },
    "allow-dev-keys": { type: "boolean" },
  },
  async run(positionals, flags, { stdout, stderr, signal }) {
    const [zkeyPath, wtnsPath, proofPath, publicPath] = positionalArguments(positionals, [
      "ZKEY",
      "WTNS",
      "PROOF.json",
      "PUBLIC.json",
    ]);
    const r1csPath = textFlag(flags, "r1cs");
    const engine = engineFlag(textFlag(flags, "engine"));
    const gpuDevice = textFlag(flags, "gpu-device") ?? "";
    requireOwnFiles(
      { "PROOF.json": proofPath, "PUBLIC.json": publicPath },
      { ZKEY: zkeyPath, WTNS: wtnsPath, "--r1cs": r1csPath },
    );
    const progress = createProgress(stderr, { silent: flags.json === true });
    try {
      progress.update("loading the key");
      const startedMs = performance.now();
      const [zkey, wtns, r1cs] = await Promise.all([
        readWholeFile(zkeyPath),
        readWholeFile(wtnsPath),
        r1csPath === undefined ? undefined : readWholeFile(r1csPath),
      ]);
      await using prover = await Prover.open({ engine, gpuDevice });
      const key = await prover.loadKey(zkey, { allowDevKeys: flags["allow-dev-keys"] === true });
      const loadedMs = performance.now();
      const { proof, publicSignals } = await prover.prove(key, wtns, {
        signal,
        onProgress: (stage, done) => progress.update(stage, stage === "proving" ? done : undefined),
        ...(r1cs && { r1cs }),
      });
      const provedMs = performance.now();
      wtns.fill(0);
      // A key is checked and a proof finished without looking.
      signal.throwIfAborted();
      await writeJsonFile(proofPath, proofToJson(proof));
      await writeJsonFile(publicPath, publicSignalsToJson(publicSignals));
      progress.end();
      const times = {
        loadMs: Math.round(loadedMs - startedMs),
        proveMs: Math.round(provedMs - loadedMs),
      };
      const developmentKey = key.isDevKey;
      if (flags.json) {
        const engine = prover.engineName;
        stdout.write(
          `${JSON.stringify({ proof: proofPath, public: publicPath, engine, developmentKey, ...times })}\n`,
        );
      } else {
        const warning = developmentKey ? " with a development key: it shows nothing" : "";
        stdout.write(
          `proved and verified in ${times.proveMs} ms (key loaded in ${times.loadMs} ms)${warning}\n`,
        );
      }
      return EXIT.ok;
    } finally {
      progress.end();
    }
  },
};

/** @throws UsageError if there is no such engine. */
function engineFlag(name = "auto"): EngineChoice {
  const engine = ENGINE_CHOICES.find((choice) => choice === name);
  if (engine !== undefined) return engine;
  throw new UsageError(`--engine: got "${name}", expected one of ${ENGINE_CHOICES.join(", ")}`);
}
