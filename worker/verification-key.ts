/**
 * What a verifier needs of a Groth16 key, and snarkjs's `verification_key.json`.
 */
import { G1, type G1Point, G2, type G2Point } from "./curve.ts";
import { WorkError } from "./errors.ts";
import { g1FromJson, g1ToJson, g2FromJson, g2ToJson } from "./proof.ts";

export interface VerificationKey {
  readonly alpha1: G1Point;
  readonly beta2: G2Point;
  readonly gamma2: G2Point;
  readonly delta2: G2Point;
  /** nPublic + 1 points: for the constant 1, then for each public signal. */
  readonly ic: readonly G1Point[];
}

/** snarkjs's `verification_key.json`, without `vk_alphabeta_12`, which follows from the rest. */
export interface VerificationKeyJson {
  readonly protocol: "groth16";
  readonly curve: "bn128";
  readonly nPublic: number;
  readonly vk_alpha_1: readonly string[];
  readonly vk_beta_2: readonly (readonly string[])[];
  readonly vk_gamma_2: readonly (readonly string[])[];
  readonly vk_delta_2: readonly (readonly string[])[];
  readonly IC: readonly (readonly string[])[];
}

/**
 * Checks the points of a verification key: on the curve, in the subgroup, none of alpha, beta, gamma
 * and delta at infinity; and that delta is not gamma. With delta equal to gamma, which is what
 * snarkjs writes before the first contribution, anybody can prove anything.
 *
 * @throws WorkError KEY_MALFORMED; KEY_REFUSED if delta equals gamma.
 */
export function checkVerificationKey(key: VerificationKey): void {
  if (G1.isInfinity(key.alpha1) || !G1.isOnCurve(key.alpha1)) throw offCurve("alpha (G1)");
  for (const name of ["beta2", "gamma2", "delta2"] as const) {
    if (G2.isInfinity(key[name]) || !G2.isInSubgroup(key[name])) throw offCurve(`${name} (G2)`);
  }
  const wild = key.ic.findIndex((point) => !G1.isOnCurve(point));
  if (wild >= 0) throw offCurve(`IC ${wild} (G1)`);
  if (G2.equals(key.delta2, key.gamma2)) {
    throw new WorkError(
      "KEY_REFUSED",
      "key: delta equals gamma, so anybody could forge proofs; the key's set-up had no contribution. Run phase 2 of the set-up",
    );
  }
}

/**
 * Reads and checks snarkjs's `verification_key.json`, parsed.
 *
 * @throws WorkError as `checkVerificationKey`.
 */
export function verificationKeyFromJson(json: unknown): VerificationKey {
  if (typeof json !== "object" || json === null) throw malformed("expected a JSON object");
  const fields = json as Readonly<Record<string, unknown>>;
  if (fields.protocol !== "groth16" || fields.curve !== "bn128") {
    throw malformed('expected protocol "groth16" and curve "bn128"');
  }
  const { IC } = fields;
  if (!Array.isArray(IC) || IC.length < 1 || fields.nPublic !== IC.length - 1) {
    throw malformed("expected nPublic + 1 points in IC");
  }
  const key = {
    alpha1: g1FromJson(fields.vk_alpha_1) ?? refusePoint("vk_alpha_1"),
    beta2: g2FromJson(fields.vk_beta_2) ?? refusePoint("vk_beta_2"),
    gamma2: g2FromJson(fields.vk_gamma_2) ?? refusePoint("vk_gamma_2"),
    delta2: g2FromJson(fields.vk_delta_2) ?? refusePoint("vk_delta_2"),
    ic: IC.map((point, i) => g1FromJson(point) ?? refusePoint(`IC[${i}]`)),
  };
  checkVerificationKey(key);
  return key;
}

export function verificationKeyToJson(key: VerificationKey): VerificationKeyJson {
  return {
    protocol: "groth16",
    curve: "bn128",
    nPublic: key.ic.length - 1,
    vk_alpha_1: g1ToJson(key.alpha1),
    vk_beta_2: g2ToJson(key.beta2),
    vk_gamma_2: g2ToJson(key.gamma2),
    vk_delta_2: g2ToJson(key.delta2),
    IC: key.ic.map(g1ToJson),
  };
}

function refusePoint(what: string): never {
  throw malformed(`${what} is not a point with decimal coordinates below q`);
}

function offCurve(what: string): WorkError {
  return new WorkError("KEY_MALFORMED", `key: ${what} is not a point of BN254's group`);
}

function malformed(problem: string): WorkError {
  return new WorkError("KEY_MALFORMED", `verification key: ${problem}`);
}
