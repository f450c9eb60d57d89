/**
 * Groth16, written once over an engine. Jens Groth, "On the size of pairing-based non-interactive
 * arguments", 2016, section 3.2, eprint.iacr.org/2016/260.
 *
 * With w the witness, h the quotient, r and s fresh and uniform:
 *
 *     A = alpha + sum w_i A_i + r delta                                    in G1
 *     B = beta  + sum w_i B_i + s delta                                    in G2
 *     C = sum w_i C_i + sum h_i H_i + s A + r (beta + sum w_i B_i)         in G1
 *
 * (the usual s A + r B1 - r s delta with B1 = beta + sum w_i B_i + s delta, where r s delta cancels,
 * so that C is a single sum). The proof verifies if
 *
 *     e(A, B) = e(alpha, beta) e(IC_0 + sum x_i IC_i, gamma) e(C, delta).
 */
import { randomBytes } from "node:crypto";
import type { G1Point, G2Point } from "./curve.ts";
import type { Checkpoint, Engine, ResidentKey } from "./engine.ts";
import { WorkError } from "./errors.ts";
import { ELEMENT_BYTES, readLE, SCALAR_FIELD } from "./field.ts";
import type { Proof } from "./proof.ts";
import { failingConstraints, type R1cs } from "./r1cs.ts";
import type { VerificationKey } from "./verification-key.ts";
import { checkWitness } from "./wtns.ts";
import type { Zkey } from "./zkey.ts";

/** A key inside an engine, with what Groth16 itself needs of it. */
export interface ProvingKey {
  readonly resident: ResidentKey;
  readonly nVars: number;
  readonly nPublic: number;
  readonly beta1: Zkey["beta1"];
  readonly delta1: Zkey["delta1"];
  readonly verificationKey: VerificationKey;
  readonly isDevKey: boolean;
}

export interface Proved {
  readonly proof: Proof;
  readonly publicSignals: readonly bigint[];
}

/** Called with the part of the stage that is done, 0 to 1. */
export type OnProgress = (stage: "proving" | "verifying", done: number) => void;

export interface ProveOptions {
  /** Polled every 100 ms or so; true makes `prove` throw CANCELLED. */
  readonly isCancelled?: () => boolean;
  readonly onProgress?: OnProgress;
  /** As in `ResidentKey.begin`. */
  readonly threads?: number;
  /**
   * The circuit's constraints, asked for only when a proof fails its verification. With them the
   * error tells a witness that breaks a constraint from a fault of the engine or the key.
   */
  readonly constraints?: () => Promise<R1cs>;
  /**
   * r and s, for tests that compare engines. Whoever knows or repeats them can learn about the
   * witness from the proof.
   */
  readonly randomness?: readonly [r: bigint, s: bigint];
}

/** Makes a checked key ready in an engine. */
export async function residentKey(engine: Engine, zkey: Zkey): Promise<ProvingKey> {
  const { nVars, nPublic, beta1, delta1, verificationKey, isDevKey } = zkey;
  const resident = await engine.loadKey(zkey);
  return { resident, nVars, nPublic, beta1, delta1, verificationKey, isDevKey };
}

/**
 * Proves, and verifies the proof before it is returned.
 *
 * @param witness  nVars x 32 B, little-endian, canonical. **Consumed**: all bytes are zero when this
 *   returns or throws.
 * @throws WorkError WITNESS_MALFORMED, WITNESS_UNSATISFIABLE, PROOF_REJECTED, CANCELLED, or what the
 *   engine throws.
 */
export async function prove(
  engine: Engine,
  key: ProvingKey,
  witness: Uint8Array,
  options: ProveOptions = {},
): Promise<Proved> {
  try {
    checkWitness(witness, key.nVars);
    const proof = await computeProof(key, witness, options);
    const publicSignals = Array.from({ length: key.nPublic }, (_, i) =>
      readLE(witness, (i + 1) * ELEMENT_BYTES),
    );
    options.onProgress?.("verifying", 0);
    if (!(await verify(engine, key.verificationKey, publicSignals, proof))) {
      throw await whyRejected(witness, options.constraints);
    }
    if (options.isCancelled?.()) throw cancelled();
    return { proof, publicSignals };
  } finally {
    witness.fill(0);
  }
}

/**
 * Whether a proof verifies. Strict: signals must be canonical, points on the curve, B in its
 * subgroup; what is not so is an invalid proof, not an error.
 *
 * @param key  from `verificationKeyFromJson` or `parseZkey`, so already checked.
 */
export async function verify(
  engine: Pick<Engine, "verify">,
  key: VerificationKey,
  publicSignals: readonly bigint[],
  proof: Proof,
): Promise<boolean> {
  if (publicSignals.length !== key.ic.length - 1) return false;
  if (publicSignals.some((signal) => signal < 0n || signal >= SCALAR_FIELD)) return false;
  return engine.verify(key, publicSignals, proof);
}

/** A uniform element of [0, r): 254 of 256 fresh random bits, drawn again if they are not below r. */
export function randomScalar(): bigint {
  const bytes = randomBytes(ELEMENT_BYTES);
  try {
    for (;;) {
      bytes[ELEMENT_BYTES - 1] = (bytes[ELEMENT_BYTES - 1] as number) & 0x3f;
      const value = readLE(bytes);
      if (value < SCALAR_FIELD) return value;
      bytes.set(randomBytes(ELEMENT_BYTES));
    }
  } finally {
    bytes.fill(0);
  }
}

async function computeProof(
  key: ProvingKey,
  witness: Uint8Array,
  options: ProveOptions,
): Promise<Proof> {
  const [r, s] = options.randomness ?? [randomScalar(), randomScalar()];
  const { beta1, delta1 } = key;
  const { alpha1, beta2, delta2 } = key.verificationKey;
  const checkpoint = checkpointOf(options);
  const run = key.resident.begin(witness, options.threads);
  try {
    const { g1, g2 } = await run.sums(
      {
        g1: [
          [{ section: "a" }, { point: alpha1, factor: 1n }, { point: delta1, factor: r }],
          [
            { section: "c" },
            { section: "h" },
            { section: "b1", factor: r },
            { point: beta1, factor: r },
          ],
        ],
        g2: [[{ section: "b2" }, { point: beta2, factor: 1n }, { point: delta2, factor: s }]],
      },
      checkpoint,
    );
    const [a, rest] = g1 as [G1Point, G1Point];
    const [b] = g2 as [G2Point];
    const last = await run.sums(
      {
        g1: [
          [
            { point: rest, factor: 1n },
            { point: a, factor: s },
          ],
        ],
        g2: [],
      },
      () => checkpoint(1),
    );
    return { a, b, c: last.g1[0] as G1Point };
  } finally {
    await run.end();
  }
}

/** Looks whether to stop, and shows how far the sums are. */
function checkpointOf({ isCancelled, onProgress }: ProveOptions): Checkpoint {
  return (done) => {
    if (isCancelled?.()) throw cancelled();
    onProgress?.("proving", done);
  };
}

/**
 * What is wrong when a proof of this witness does not verify.
 *
 * @param constraints  as in ProveOptions.
 */
export async function whyRejected(
  witness: Uint8Array,
  constraints: ProveOptions["constraints"],
): Promise<WorkError> {
  if (constraints === undefined) {
    return new WorkError(
      "WITNESS_UNSATISFIABLE",
      "the proof does not verify: the witness does not satisfy the circuit or the key is of another circuit. Check both against the circuit's .r1cs",
    );
  }
  const [constraint] = failingConstraints(await constraints(), witness, 1);
  if (constraint !== undefined) {
    return new WorkError(
      "WITNESS_UNSATISFIABLE",
      `the witness does not satisfy the circuit: constraint ${constraint} fails`,
      { constraint },
    );
  }
  return new WorkError(
    "PROOF_REJECTED",
    "the witness satisfies the circuit, but the proof does not verify: the key is of another circuit, or the engine is at fault. The proof was discarded",
  );
}

function cancelled(): WorkError {
  return new WorkError("CANCELLED", "cancelled on request");
}
