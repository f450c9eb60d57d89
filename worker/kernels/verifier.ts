/**
 * Pairing products and the verification of Groth16 proofs on the one-lane kernels. Twins:
 * `isPairingProductOne` of engines/reference-pairing.ts and `verify` of groth16.ts over it.
 */
import type { G1Point, G2Point } from "../curve.ts";
import { SCALAR_FIELD } from "../field.ts";
import type { Proof } from "../proof.ts";
import type { VerificationKey } from "../verification-key.ts";
import { FQ12_BYTES } from "./scalar/fq12.ts";
import type { Machine } from "./scalar/machine.ts";
import { PAIR_CAPACITY } from "./scalar/pairing.ts";
import { areCanonical, coordinatesG1, coordinatesG2, type Tower } from "./tower.ts";

/**
 * What can be computed from a verification key before a proof is there. Plain data of about
 * 35 kB + 0.8 kB for each public signal, for any instance of the same program.
 */
export interface PreparedKey {
  /** The pairing's loop for (alpha, beta), before the final exponentiation. */
  readonly constant: Uint8Array;
  /** Monic lines of gamma, then of delta. */
  readonly lines: readonly [gamma: Uint8Array, delta: Uint8Array];
  readonly ic0: G1Point;
  /** The odd multiples of the points that belong to the public signals, one after the other. */
  readonly tables: Uint8Array;
  readonly publicCount: number;
}

export class Verifier {
  readonly #machine: Machine;

  constructor(tower: Tower) {
    this.#machine = tower.machine;
  }

  /**
   * Whether the product of e(p, q) over all pairs is 1.
   *
   * @param pairs  canonical points of the two groups, subgroup checked by the caller; infinity is
   *   allowed.
   */
  isPairingProductOne(pairs: readonly (readonly [G1Point, G2Point])[]): boolean {
    const machine = this.#machine;
    const { pairs: slots, product } = machine.program;
    machine.call("fq12.setOne", product);
    const finite = pairs.filter(([p, q]) => !isZero(coordinatesG1(p)) && !isZero(coordinatesG2(q)));
    for (let start = 0; start < finite.length; start += PAIR_CAPACITY) {
      const part = finite.slice(start, start + PAIR_CAPACITY);
      for (const [k, [p, q]] of part.entries()) this.#enterPair(k, p, q);
      machine.call("pairing.miller", part.length, 0);
      machine.call("fq12.multiply", product, product, slots.value);
    }
    machine.call("fq12.copy", slots.value, product);
    machine.call("pairing.exponentiate");
    return machine.call("pairing.isOne") !== 0;
  }

  /**
   * @param key  from `verificationKeyFromJson` or `parseZkey`, so already checked.
   * @throws RangeError if alpha, beta, gamma or delta is infinity, which such a key has not.
   */
  prepare(key: VerificationKey): PreparedKey {
    const machine = this.#machine;
    const { g1, pairs: slots, buffer } = machine.program;
    const points = [
      coordinatesG1(key.alpha1),
      ...[key.beta2, key.gamma2, key.delta2].map(coordinatesG2),
    ];
    if (points.some(isZero)) throw new RangeError("got a key with a point at infinity");
    this.#enterPair(0, key.alpha1, key.beta2);
    machine.call("pairing.miller", 1, 0);
    const constant = copyOf(machine, slots.value, FQ12_BYTES);
    const monicLines = (q: G2Point) => {
      this.#traceLines(0, q);
      machine.call("line.makeMonic", slots.monicLines, slots.lines);
      return copyOf(machine, slots.monicLines, slots.monicLinesBytes);
    };
    const lines = [monicLines(key.gamma2), monicLines(key.delta2)] as const;
    const [ic0, ...ic] = key.ic as readonly [G1Point, ...G1Point[]];
    const tables = new Uint8Array(g1.tableBytes * ic.length);
    for (const [i, point] of ic.entries()) {
      machine.writeWords(buffer, ...coordinatesG1(point));
      machine.call("g1.tabulate", g1.tables, buffer);
      tables.set(machine.bytes.subarray(g1.tables, g1.tables + g1.tableBytes), g1.tableBytes * i);
    }
    return { constant, lines, ic0, tables, publicCount: ic.length };
  }

  /**
   * Whether a proof verifies. Strict as `verify` of groth16.ts: signals and coordinates must be
   * canonical, points on the curve, B in its subgroup; what is not so is an invalid proof.
   *
   * e(-A, B) e(alpha, beta) e(IC_0 + sum x_i IC_i, gamma) e(C, delta) = 1, with one loop for the
   * three pairs that depend on the proof, and one final exponentiation.
   */
  verify(key: PreparedKey, publicSignals: readonly bigint[], { a, b, c }: Proof): boolean {
    if (publicSignals.length !== key.publicCount) return false;
    if (publicSignals.some((signal) => signal < 0n || signal >= SCALAR_FIELD)) return false;
    const [ofA, ofB, ofC] = [coordinatesG1(a), coordinatesG2(b), coordinatesG1(c)];
    if (![ofA, ofB, ofC].every(areCanonical)) return false;
    const machine = this.#machine;
    const { g1, g2, pairs: slots } = machine.program;
    machine.enter(g1, slots.points, ofA);
    machine.enter(g1, g1.affine, ofC);
    machine.enter(g2, g2.affine, ofB);
    const belong =
      machine.call("g1.isOnCurve", slots.points) &
      machine.call("g1.isOnCurve", g1.affine) &
      machine.call("g2.isOnCurve", g2.affine);
    if (belong === 0 || machine.call("g2.isInSubgroup", g2.affine) === 0) return false;
    let count = 0;
    if (!isZero(ofA) && !isZero(ofB)) {
      const y = slots.points + slots.pointBytes / 2;
      machine.call("fq.negate", y, y);
      machine.call("line.trace", slots.lines, g2.affine);
      count = 1;
    }
    // At infinity, which is (0, 0) here, every monic line is 1.
    const addMonic = (k: 0 | 1) => {
      machine.call("pairing.monicPoint", slots.monicPoints + slots.pointBytes * k, g1.affine);
      machine.bytes.set(key.lines[k], slots.monicLines + slots.monicLinesBytes * k);
    };
    addMonic(1);
    this.#sumInputs(key, publicSignals);
    addMonic(0);
    machine.call("pairing.miller", count, 2);
    machine.bytes.set(key.constant, machine.program.product);
    machine.call("pairing.multiplyBy", machine.program.product);
    machine.call("pairing.exponentiate");
    return machine.call("pairing.isOne") !== 0;
  }

  /** Leaves IC_0 + sum x_i IC_i in G1's affine place. */
  #sumInputs(key: PreparedKey, publicSignals: readonly bigint[]): void {
    const machine = this.#machine;
    const { g1, termCapacity } = machine.program;
    machine.call("g1.clear", g1.total);
    machine.enter(g1, g1.affine, coordinatesG1(key.ic0));
    machine.call("g1.addAffine", g1.total, g1.affine);
    for (let start = 0; start < key.publicCount; start += termCapacity) {
      const part = publicSignals.slice(start, start + termCapacity);
      const at = g1.tableBytes * start;
      machine.bytes.set(key.tables.subarray(at, at + g1.tableBytes * part.length), g1.tables);
      machine.addMultiples(g1, part);
    }
    machine.call("g1.normalize", g1.affine, g1.total);
  }

  /** Puts a pair into the k-th place for lines of three parts. */
  #enterPair(k: number, p: G1Point, q: G2Point): void {
    const { g1, pairs: slots } = this.#machine.program;
    this.#machine.enter(g1, slots.points + slots.pointBytes * k, coordinatesG1(p));
    this.#traceLines(k, q);
  }

  #traceLines(k: number, q: G2Point): void {
    const { g2, pairs: slots } = this.#machine.program;
    this.#machine.enter(g2, g2.affine, coordinatesG2(q));
    this.#machine.call("line.trace", slots.lines + slots.linesBytes * k, g2.affine);
  }
}

function isZero(coordinates: readonly bigint[]): boolean {
  return coordinates.every((value) => value === 0n);
}

function copyOf({ bytes }: Machine, address: number, length: number): Uint8Array {
  return bytes.slice(address, address + length);
}
