// A user's program: from inputs to a proof, with the key loaded once. Prints what it found as JSON.
import { readFile } from "node:fs/promises";
import { calculateWitness, loadKey, prove, verify, WorkError } from "proofmill";

const [inputs, wasm, zkey] = process.argv.slice(2);

const key = await loadKey(zkey, { allowDevKeys: true });
const { engineName, verificationKey } = key;
const witness = await calculateWitness(JSON.parse(await readFile(inputs, "utf8")), wasm);
const { proof, publicSignals } = await prove(key, witness);
const isValid = await verify(verificationKey, publicSignals, proof);
const isValidForOthers = await verify(verificationKey, publicSignals.toReversed(), proof);

// The last value, out of the field: a file that is no witness must be refused by name.
const broken = witness.slice().fill(0xff, witness.length - 32);
const refusal = await prove(key, broken).catch((error) =>
  error instanceof WorkError ? error.code : String(error),
);
await key.close();

console.log(
  JSON.stringify({
    node: process.versions.node,
    engineName,
    verificationKey,
    proof,
    publicSignals,
    isValid,
    isValidForOthers,
    refusal,
  }),
);
