/**
 * The slow twin of every engine: bigints, one point and one scalar at a time, each line as in the
 * definition. The oracle of the tests, for circuits of some hundred wires; never used in service.
 */
import { type Affine, type Fq2, G1, type G1Point, G2, type G2Point, type Group } from "../curve.ts";
import type {
  Checkpoint,
  Engine,
  G1Term,
  G2Term,
  ProofRun,
  ResidentKey,
  SumRequest,
  Sums,
} from "../engine.ts";
import {
  BASE_FIELD,
  ELEMENT_BYTES,
  invert,
  mod,
  power,
  readLE,
  readViewLE,
  SCALAR_FIELD,
} from "../field.ts";
import type { Proof } from "../proof.ts";
import type { VerificationKey } from "../verification-key.ts";
import { COEFFICIENT_BYTES, G1_BYTES, G2_BYTES, readG1, readG2, type Zkey } from "../zkey.ts";
import { isPairingProductOne } from "./reference-pairing.ts";

export const referenceEngine: Engine = {
  name: "reference",
  loadKey: async (zkey) => new ReferenceKey(zkey),
  verify: (key, publicSignals, proof) =>
    verifies(key, publicSignals, proof, async (pairs) => isPairingProductOne(pairs)),
  close: async () => undefined,
};

/** The equation of `groth16.ts`, and what makes it mean something. */
export async function verifies(
  key: VerificationKey,
  publicSignals: readonly bigint[],
  { a, b, c }: Proof,
  pairingProductIsOne: (pairs: readonly (readonly [G1Point, G2Point])[]) => Promise<boolean>,
): Promise<boolean> {
  const coordinates = [a.x, a.y, ...b.x, ...b.y, c.x, c.y];
  if (coordinates.some((value) => value < 0n || value >= BASE_FIELD)) return false;
  if (!G1.isOnCurve(a) || !G1.isOnCurve(c) || !G2.isInSubgroup(b)) return false;
  const inputs = G1.sum(
    key.ic.map((point, i) => ({ point, factor: i === 0 ? 1n : (publicSignals[i - 1] as bigint) })),
  );
  return pairingProductIsOne([
    [G1.negate(a), b],
    [key.alpha1, key.beta2],
    [inputs, key.gamma2],
    [c, key.delta2],
  ]);
}

class ReferenceKey implements ResidentKey {
  readonly #zkey: Zkey;

  constructor(zkey: Zkey) {
    this.#zkey = zkey;
  }

  begin(witness: Uint8Array): ProofRun {
    return new ReferenceRun(this.#zkey, witness);
  }

  release(): void {}
}

class ReferenceRun implements ProofRun {
  readonly #zkey: Zkey;
  readonly #witnessBytes: Uint8Array;
  #witness: readonly bigint[];
  #quotient: readonly bigint[] = [];

  constructor(zkey: Zkey, witness: Uint8Array) {
    this.#zkey = zkey;
    this.#witnessBytes = witness;
    this.#witness = elementsOf(witness);
  }

  async sums({ g1, g2 }: SumRequest, checkpoint: Checkpoint): Promise<Sums> {
    const parts = g1.length + g2.length + 1;
    const part = (i: number) => (done: number) => checkpoint((i + done) / parts);
    if (g1.some((terms) => terms.some((term) => "section" in term && term.section === "h"))) {
      this.#quotient = referenceQuotient(this.#zkey, this.#witnessBytes, part(0));
    }
    return {
      g1: g1.map((terms, i) =>
        sum(
          G1,
          terms.map((term) => this.#expandG1(term)),
          part(1 + i),
        ),
      ),
      g2: g2.map((terms, i) =>
        sum<Fq2>(
          G2,
          terms.map((term) => this.#expandG2(term)),
          part(1 + g1.length + i),
        ),
      ),
    };
  }

  async end(): Promise<void> {
    // Bigints cannot be overwritten; another reason to keep this engine out of service.
    this.#witness = [];
    this.#quotient = [];
  }

  #expandG1(term: G1Term): Product<bigint>[] {
    if ("point" in term) return [term];
    const scalars = {
      a: this.#witness,
      b1: this.#witness,
      c: this.#witness.slice(this.#zkey.nPublic + 1),
      h: this.#quotient,
    }[term.section];
    const view = viewOf(this.#zkey[term.section]);
    return products(scalars, term.factor, (i) => readG1(view, i * G1_BYTES));
  }

  #expandG2(term: G2Term): Product<Fq2>[] {
    if ("point" in term) return [term];
    const view = viewOf(this.#zkey.b2);
    return products(this.#witness, term.factor, (i) => readG2(view, i * G2_BYTES));
  }
}

/** The part of a key that the quotient depends on. */
type Matrices = Pick<Zkey, "coefficients" | "domainSize">;

/**
 * The quotient's values on the odd coset, as `ProofRun` defines them.
 *
 * @param witness  nVars x 32 B, canonical
 */
export function referenceQuotient(
  zkey: Matrices,
  witness: Uint8Array,
  checkpoint: Checkpoint = () => undefined,
): bigint[] {
  const n = zkey.domainSize;
  const root = rootOfUnity(n);
  const shift = rootOfUnity(2 * n);
  const [a, b] = rowProducts(zkey, elementsOf(witness));
  const c = a.map((value, i) => (value * (b[i] as bigint)) % SCALAR_FIELD);
  const [onCosetA, onCosetB, onCosetC] = [a, b, c].map((values, k) => {
    checkpoint(k / 3);
    const polynomial = interpolate(values, root);
    return values.map((_, i) =>
      evaluate(polynomial, (shift * power(root, BigInt(i), SCALAR_FIELD)) % SCALAR_FIELD),
    );
  }) as [bigint[], bigint[], bigint[]];
  return onCosetA.map((value, i) =>
    mod(value * (onCosetB[i] as bigint) - (onCosetC[i] as bigint), SCALAR_FIELD),
  );
}

interface Product<T> {
  readonly point: Affine<T>;
  readonly factor: bigint;
}

function products<T>(
  scalars: readonly bigint[],
  factor: bigint | undefined,
  pointAt: (index: number) => Affine<T>,
): Product<T>[] {
  return scalars.map((scalar, i) => ({
    point: pointAt(i),
    factor: (scalar * (factor ?? 1n)) % SCALAR_FIELD,
  }));
}

function sum<T>(
  group: Group<T>,
  terms: readonly (readonly Product<T>[])[],
  checkpoint: Checkpoint,
): Affine<T> {
  let total = group.infinity;
  for (const [i, term] of terms.entries()) {
    checkpoint(i / terms.length);
    total = group.add(total, group.sum(term));
  }
  return total;
}

/** <A_i, w> and <B_i, w> for each row i of the domain. */
function rowProducts(zkey: Matrices, witness: readonly bigint[]): [bigint[], bigint[]] {
  const rows = [0, 1].map(() => new Array<bigint>(zkey.domainSize).fill(0n)) as [
    bigint[],
    bigint[],
  ];
  const view = viewOf(zkey.coefficients);
  const scale = invert(2n ** 512n, SCALAR_FIELD);
  for (let at = 0; at < zkey.coefficients.length; at += COEFFICIENT_BYTES) {
    const matrix = rows[view.getUint32(at, true)] as bigint[];
    const row = view.getUint32(at + 4, true);
    const value =
      readViewLE(view, at + 12) * scale * (witness[view.getUint32(at + 8, true)] as bigint);
    matrix[row] = ((matrix[row] as bigint) + value) % SCALAR_FIELD;
  }
  return rows;
}

/** Coefficients of the polynomial with these values at 1, root, root^2, ... */
function interpolate(values: readonly bigint[], root: bigint): bigint[] {
  const n = BigInt(values.length);
  const inverseRoot = invert(root, SCALAR_FIELD);
  return values.map((_, i) => {
    const value = evaluate(values, power(inverseRoot, BigInt(i), SCALAR_FIELD));
    return (value * invert(n, SCALAR_FIELD)) % SCALAR_FIELD;
  });
}

function evaluate(polynomial: readonly bigint[], x: bigint): bigint {
  return polynomial.reduceRight((sum, coefficient) => (sum * x + coefficient) % SCALAR_FIELD, 0n);
}

/**
 * The primitive root of unity of a power of two that circom's tools use: a power of 5, the smallest
 * number that is not a square modulo r.
 */
function rootOfUnity(order: number): bigint {
  return power(5n, (SCALAR_FIELD - 1n) / BigInt(order), SCALAR_FIELD);
}

function elementsOf(bytes: Uint8Array): bigint[] {
  return Array.from({ length: bytes.length / ELEMENT_BYTES }, (_, i) =>
    readLE(bytes, i * ELEMENT_BYTES),
  );
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
