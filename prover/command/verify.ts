import { proofFromJson, publicSignalsFromJson } from "../../worker/proof.ts";
import { Prover } from "../../worker/prover.ts";
import { verificationKeyFromJson } from "../../worker/verification-key.ts";
import { type Command, EXIT, positionalArguments } from "./command.ts";
import { readJsonFile } from "./output.ts";

export const verify: Command = {
  name: "verify",
  summary: "verify a proof under a verification key; exit code 1 when it does not verify",
  usage: `VERIFICATION_KEY.json PUBLIC.json PROOF.json [--json]

Files as snarkjs writes them. Signals must be below r, points on their curves and in their subgroups.`,
  options: {},
  async run(positionals, flags, { stdout }) {
    const [keyPath, publicPath, proofPath] = positionalArguments(positionals, [
      "VERIFICATION_KEY.json",
      "PUBLIC.json",
      "PROOF.json",
    ]);
    const key = verificationKeyFromJson(await readJsonFile(keyPath));
    const publicSignals = publicSignalsFromJson(await readJsonFile(publicPath));
    const proof = proofFromJson(await readJsonFile(proofPath));
    await using prover = await Prover.open({ threads: "one" });
    const isValid = await prover.verify(key, publicSignals, proof);
    if (flags.json) stdout.write(`${JSON.stringify({ valid: isValid })}\n`);
    else stdout.write(isValid ? "valid\n" : "invalid: the proof does not show these signals\n");
    return isValid ? EXIT.ok : EXIT.no;
  },
};
