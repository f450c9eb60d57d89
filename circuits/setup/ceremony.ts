/**
 * Phase 2 of a real Groth16 set-up, with snarkjs: from a public powers-of-tau file to a key whose
 * secrets nobody knows as long as one contributor was honest. `docs/keys.md` says how to run it with
 * contributors on their own machines: `beginCeremony`, then `contribute` by each of them, then
 * `finishCeremony`.
 *
 * snarkjs is a development dependency; only these steps load it (`snarkjs-step.ts`).
 */
import { rename, rm } from "node:fs/promises";
import { SectionFile } from "../../worker/binfile.ts";
import { ZKEY_SECTION } from "../../worker/zkey.ts";
import { hashFile } from "../file-hash.ts";
import type { Ceremony } from "../manifest.ts";
import { runStep, type SnarkjsStep, type StepError, type StepResult } from "./snarkjs-step.ts";
import { assertUsableKey, readKeyIdentity } from "./usable-key.ts";

/** The set-up was refused, or a tool that it needs is missing. */
export class CeremonyError extends Error {
  override readonly name = "CeremonyError";
}

export interface PowersOfTau {
  /** A powers-of-tau file prepared for phase 2, of at least the circuit's domain. */
  readonly ptauPath: string;
  /** BLAKE2b-512 of the file as its ceremony published it, hexadecimal; checked when given. */
  readonly ptauBlake2b?: string;
  /**
   * Leaves out the check of every pairing in the file (hours for large ones). Only together with
   * `ptauBlake2b`, whose publisher one then trusts.
   */
  readonly trustPublishedHash?: boolean;
}

export interface Beacon {
  /** Public randomness that nobody knew when the last contribution was made: hexadecimal, 32 B. */
  readonly randomness: string;
  /** The randomness is hashed 2^this times, 10 to 63. */
  readonly iterationsLog2: number;
  /** Where it came from, for the key's own record. */
  readonly name: string;
}

/** Called with one line for each thing that happens. A ceremony takes minutes to hours. */
export type OnLine = (line: string) => void;

/**
 * Checks the powers of tau and writes the key of phase 2 before any contribution. Proofs of that
 * key can be forged by anybody; it is refused everywhere but in `contribute`.
 *
 * @throws CeremonyError
 */
export async function beginCeremony(
  options: PowersOfTau & { readonly r1csPath: string; readonly zkeyPath: string },
  onLine: OnLine = () => {},
): Promise<void> {
  const { r1csPath, ptauPath, zkeyPath } = options;
  await checkPowersOfTau(options, onLine);
  onLine("making the key of phase 2");
  const made = await run(
    { step: "newKey", r1cs: r1csPath, ptau: ptauPath, zkey: zkeyPath },
    onLine,
  );
  if (typeof made !== "string") {
    await rm(zkeyPath, { force: true });
    throw new CeremonyError(
      `${ptauPath}: not a prepared powers-of-tau file of BN254 that is large enough for the circuit`,
    );
  }
}

/**
 * Adds one contribution. Its secret is drawn from the system's generator in a process of its own and
 * ends with it.
 *
 * @param name  who contributes; it is stored in the key.
 * @returns     the contribution's hash, hexadecimal: the contributor publishes it.
 */
export async function contribute(
  options: { readonly from: string; readonly to: string; readonly name: string },
  onLine: OnLine = () => {},
): Promise<string> {
  const { from, to, name } = options;
  onLine(`contribution of ${name}`);
  return hashOf(await run({ step: "contribute", from, to, name }, onLine), "contribution");
}

/**
 * Closes phase 2 with public randomness and verifies everything: that the key belongs to this
 * circuit and these powers of tau, every contribution in it, and that it is usable.
 *
 * @returns what the manifest records.
 * @throws CeremonyError; WorkError KEY_REFUSED
 */
export async function finishCeremony(
  options: PowersOfTau & {
    readonly r1csPath: string;
    readonly from: string;
    readonly zkeyPath: string;
    readonly beacon: Beacon;
  },
  onLine: OnLine = () => {},
): Promise<Ceremony> {
  const { from, zkeyPath, beacon, ptauPath } = options;
  checkBeacon(beacon);
  const unchecked = `${zkeyPath}.unchecked`;
  try {
    onLine("applying the beacon");
    hashOf(await run({ step: "beacon", from, to: unchecked, ...beacon }, onLine), "beacon");
    await verifyCeremony({ ...options, zkeyPath: unchecked }, onLine);
    await rename(unchecked, zkeyPath);
  } finally {
    await rm(unchecked, { force: true });
  }
  return {
    powersOfTau: await hashFile(ptauPath, "blake2b512"),
    contributions: await countContributions(zkeyPath),
    beacon: beacon.randomness.toLowerCase(),
    beaconIterationsLog2: beacon.iterationsLog2,
  };
}

/**
 * What anybody can check of a finished key with the circuit and the powers of tau. The latter must
 * have been checked by itself, by its published hash at least.
 *
 * @throws CeremonyError if the key does not follow from them by its contributions; WorkError
 *   KEY_REFUSED if it has none or is a development key.
 */
export async function verifyCeremony(
  options: { readonly r1csPath: string; readonly ptauPath: string; readonly zkeyPath: string },
  onLine: OnLine = () => {},
): Promise<void> {
  const { r1csPath, ptauPath, zkeyPath } = options;
  assertUsableKey(await readKeyIdentity(zkeyPath), { allowDevKeys: false });
  onLine("verifying the key against circuit and powers of tau");
  if (
    (await run({ step: "verifyKey", r1cs: r1csPath, ptau: ptauPath, zkey: zkeyPath }, onLine)) !==
    true
  ) {
    throw new CeremonyError(
      `${zkeyPath}: does not follow from ${r1csPath} and ${ptauPath} by its contributions`,
    );
  }
}

/**
 * Refuses a beacon that snarkjs could not use, before hours of work.
 *
 * @throws CeremonyError
 */
export function checkBeacon({ randomness, iterationsLog2 }: Beacon): void {
  if (!/^[0-9a-f]{64}$/i.test(randomness)) {
    throw new CeremonyError("beacon: expected 32 bytes of public randomness in hexadecimal");
  }
  if (!(Number.isInteger(iterationsLog2) && iterationsLog2 >= 10 && iterationsLog2 <= 63)) {
    throw new CeremonyError(
      `beacon: got ${iterationsLog2} for log2 of the iterations, expected 10 to 63`,
    );
  }
}

async function checkPowersOfTau(
  { ptauPath, ptauBlake2b, trustPublishedHash = false }: PowersOfTau,
  onLine: OnLine,
): Promise<void> {
  if (ptauBlake2b !== undefined) {
    onLine("comparing the powers of tau with their published hash");
    const got = await hashFile(ptauPath, "blake2b512");
    if (got !== ptauBlake2b.toLowerCase()) {
      throw new CeremonyError(`${ptauPath}: got BLAKE2b ${got}, expected ${ptauBlake2b}`);
    }
  }
  if (trustPublishedHash && ptauBlake2b === undefined) {
    throw new CeremonyError("powers of tau: trustPublishedHash needs the published hash");
  }
  if (trustPublishedHash) return;
  onLine("verifying the powers of tau");
  if ((await run({ step: "verifyPowersOfTau", ptau: ptauPath }, onLine)) !== true) {
    throw new CeremonyError(`${ptauPath}: snarkjs finds the powers of tau invalid`);
  }
}

/** Section 10 begins with a hash of 64 B and the count. */
async function countContributions(zkeyPath: string): Promise<number> {
  const format = { magic: "zkey", version: 1, code: "KEY_MALFORMED" } as const;
  await using file = await SectionFile.open(zkeyPath, format);
  return Buffer.from(await file.read(ZKEY_SECTION.contributions)).readUInt32LE(64);
}

function hashOf(result: StepResult, what: string): string {
  if (typeof result === "string") return result;
  throw new CeremonyError(`${what}: snarkjs refused it; its last lines say why`);
}

/** Runs a step in its own process; what keeps it from an answer becomes a CeremonyError. */
async function run(step: SnarkjsStep, onLine: OnLine): Promise<StepResult> {
  try {
    return await runStep(step, (line) => onLine(`snarkjs: ${line}`));
  } catch (cause) {
    const { code, message } = cause as StepError;
    const problem =
      code === "ERR_MODULE_NOT_FOUND"
        ? "a ceremony needs snarkjs, which is not installed here: npm install snarkjs@0.7"
        : `${step.step}: ${message}`;
    throw new CeremonyError(problem, { cause });
  }
}
