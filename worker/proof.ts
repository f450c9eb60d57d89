/**
 * A Groth16 proof and its public signals, in the three forms in which the world exchanges them:
 * bigints here, snarkjs's JSON, and words for the EVM.
 */
import type { Fq2, G1Point, G2Point } from "./curve.ts";
import { WorkError } from "./errors.ts";
import { BASE_FIELD, parseDecimal, SCALAR_FIELD } from "./field.ts";

export interface Proof {
  readonly a: G1Point;
  readonly b: G2Point;
  readonly c: G1Point;
}

/** snarkjs's `proof.json`: decimal strings, projective with last coordinate 1, Fq2 as [real, imaginary]. */
export interface ProofJson {
  readonly pi_a: string[];
  readonly pi_b: string[][];
  readonly pi_c: string[];
  readonly protocol: "groth16";
  readonly curve: "bn128";
}

/** As a Solidity verifier takes it: affine, Fq2 with the **imaginary** part first (EIP-197). */
export interface ProofWords {
  readonly pA: readonly [bigint, bigint];
  readonly pB: readonly [readonly [bigint, bigint], readonly [bigint, bigint]];
  readonly pC: readonly [bigint, bigint];
}

export function proofToJson(proof: Proof): ProofJson {
  return {
    pi_a: g1ToJson(proof.a),
    pi_b: g2ToJson(proof.b),
    pi_c: g1ToJson(proof.c),
    protocol: "groth16",
    curve: "bn128",
  };
}

/**
 * Reads snarkjs's `proof.json`, parsed. Coordinates are canonical afterwards; whether the points lie
 * on the curve is for `verify` to say.
 *
 * @throws WorkError PROOF_MALFORMED
 */
export function proofFromJson(json: unknown): Proof {
  const fields = recordOf(json);
  if (fields.protocol !== "groth16" || fields.curve !== "bn128") {
    throw malformed('proof: expected protocol "groth16" and curve "bn128"');
  }
  return {
    a: g1FromJson(fields.pi_a) ?? refuse("proof.pi_a", "3 decimal strings below q, the last 1"),
    b: g2FromJson(fields.pi_b) ?? refuse("proof.pi_b", "3 pairs below q, the last [1, 0]"),
    c: g1FromJson(fields.pi_c) ?? refuse("proof.pi_c", "3 decimal strings below q, the last 1"),
  };
}

export function proofToWords(proof: Proof): ProofWords {
  return {
    pA: [proof.a.x, proof.a.y],
    pB: [
      [proof.b.x[1], proof.b.x[0]],
      [proof.b.y[1], proof.b.y[0]],
    ],
    pC: [proof.c.x, proof.c.y],
  };
}

/** snarkjs's `public.json`: decimal strings. */
export function publicSignalsToJson(signals: readonly bigint[]): string[] {
  return signals.map(String);
}

/**
 * Reads snarkjs's `public.json`, parsed.
 *
 * @throws WorkError PROOF_MALFORMED if it is not an array of decimal strings below r. A signal and
 *   signal + r would prove the same statement, so nothing is reduced.
 */
export function publicSignalsFromJson(json: unknown): bigint[] {
  if (!Array.isArray(json)) throw malformed("public signals: expected an array of decimal strings");
  return json.map(
    (value, index) =>
      parseDecimal(value, SCALAR_FIELD) ??
      refuse(`public signal ${index}`, "a decimal string below r, without sign or leading zeros"),
  );
}

/** A point as snarkjs writes it; infinity is [0, 1, 0]. */
export function g1ToJson(p: G1Point): string[] {
  return p.x === 0n && p.y === 0n ? ["0", "1", "0"] : [String(p.x), String(p.y), "1"];
}

/** As `g1ToJson`. */
export function g2ToJson(p: G2Point): string[][] {
  const isInfinity = [...p.x, ...p.y].every((part) => part === 0n);
  if (isInfinity)
    return [
      ["0", "0"],
      ["1", "0"],
      ["0", "0"],
    ];
  return [p.x.map(String), p.y.map(String), ["1", "0"]];
}

/** A point from snarkjs's JSON with canonical coordinates; undefined if it has another form. */
export function g1FromJson(json: unknown): G1Point | undefined {
  if (!Array.isArray(json) || json.length !== 3) return undefined;
  // Element by element: making text of what somebody sent may throw.
  if (json[0] === "0" && json[1] === "1" && json[2] === "0") return { x: 0n, y: 0n };
  const [x, y] = [parseDecimal(json[0], BASE_FIELD), parseDecimal(json[1], BASE_FIELD)];
  // (0, 0) would be a second spelling of infinity.
  if (x === undefined || y === undefined || json[2] !== "1" || (x === 0n && y === 0n)) return;
  return { x, y };
}

/** As `g1FromJson`. */
export function g2FromJson(json: unknown): G2Point | undefined {
  if (!Array.isArray(json) || json.length !== 3) return undefined;
  const [x, y, z] = json.map(fq2FromJson);
  if (x === undefined || y === undefined || z === undefined) return undefined;
  if ([...x, ...y, ...z].join() === "0,0,1,0,0,0") return { x: [0n, 0n], y: [0n, 0n] };
  const isOne = z[0] === 1n && z[1] === 0n;
  if (!isOne || [...x, ...y].every((part) => part === 0n)) return undefined;
  return { x, y };
}

function fq2FromJson(json: unknown): Fq2 | undefined {
  if (!Array.isArray(json) || json.length !== 2) return undefined;
  const [real, imaginary] = json.map((part) => parseDecimal(part, BASE_FIELD));
  return real === undefined || imaginary === undefined ? undefined : [real, imaginary];
}

function recordOf(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null) throw malformed("proof: expected a JSON object");
  return json as Readonly<Record<string, unknown>>;
}

function refuse(what: string, expected: string): never {
  throw malformed(`${what}: got something else, expected ${expected}`);
}

function malformed(message: string): WorkError {
  return new WorkError("PROOF_MALFORMED", message);
}
