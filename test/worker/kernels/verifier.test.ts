import { readFile } from "node:fs/promises";
import { bn254 } from "@noble/curves/bn254.js";
import fc from "fast-check";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { FQ2, type Fq2, G1, type G1Point, G2, type G2Point } from "../../../worker/curve.ts";
import { referenceEngine } from "../../../worker/engines/reference.ts";
import { invert, mod, BASE_FIELD as Q, SCALAR_FIELD as R } from "../../../worker/field.ts";
import { prove, residentKey, verify } from "../../../worker/groth16.ts";
import { compileProgram } from "../../../worker/kernels/scalar/program.ts";
import { Tower } from "../../../worker/kernels/tower.ts";
import { type PreparedKey, Verifier } from "../../../worker/kernels/verifier.ts";
import type { Proof } from "../../../worker/proof.ts";
import type { VerificationKey } from "../../../worker/verification-key.ts";
import { WitnessProgram } from "../../../worker/witness.ts";
import { parseZkey } from "../../../worker/zkey.ts";
import { smallFixture, smallInputs } from "../fixtures.ts";

const tower = Tower.open(compileProgram({ isChecked: true }));
const verifier = new Verifier(tower);

function g1(k: bigint): G1Point {
  if (mod(k, R) === 0n) return G1.infinity;
  const { x, y } = bn254.G1.Point.BASE.multiply(mod(k, R)).toAffine();
  return { x, y };
}
function g2(k: bigint): G2Point {
  if (mod(k, R) === 0n) return G2.infinity;
  const { x, y } = bn254.G2.Point.BASE.multiply(mod(k, R)).toAffine();
  return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
}

/** A key of which all logarithms are known, so that anything can be proved under it. */
interface OpenKey {
  readonly key: VerificationKey;
  readonly alpha: bigint;
  readonly beta: bigint;
  readonly gamma: bigint;
  readonly delta: bigint;
  readonly ic: readonly bigint[];
}

function openKey(alpha: bigint, beta: bigint, gamma: bigint, delta: bigint, ic: bigint[]): OpenKey {
  const key = {
    alpha1: g1(alpha),
    beta2: g2(beta),
    gamma2: g2(gamma),
    delta2: g2(delta),
    ic: ic.map(g1),
  };
  return { key, alpha, beta, gamma, delta, ic };
}

const inputsOf = ({ ic }: OpenKey, signals: readonly bigint[]) =>
  ic.reduce((sum, k, i) => sum + k * (i === 0 ? 1n : (signals[i - 1] as bigint)), 0n);

/** The proof with the given logarithms of A and B, C from the equation. */
function proofWith(open: OpenKey, signals: readonly bigint[], a: bigint, b: bigint): Proof {
  const { alpha, beta, gamma, delta } = open;
  const c = (a * b - alpha * beta - inputsOf(open, signals) * gamma) * invert(delta, R);
  return { a: g1(a), b: g2(b), c: g1(c) };
}

const nonZero = fc.oneof(fc.constantFrom(1n, 2n, R - 1n), fc.bigInt({ min: 1n, max: R - 1n }));
const scalar = fc.oneof(
  fc.constantFrom(0n, 1n, R - 1n, 2n ** 253n, 31n, 32n, 33n, 2n ** 128n - 1n),
  fc.bigInt({ min: 0n, max: R - 1n }),
);
const statement = fc.nat(5).chain((count) =>
  fc.record({
    secrets: fc.tuple(nonZero, nonZero, nonZero, nonZero),
    ic: fc.array(scalar, { minLength: count + 1, maxLength: count + 1 }),
    signals: fc.array(scalar, { minLength: count, maxLength: count }),
    a: scalar,
    b: scalar,
  }),
);

describe("worker / kernels / verifier verify", () => {
  it("accepts what satisfies the equation, under any key, and no other point in its place", () => {
    fc.assert(
      fc.property(statement, nonZero, ({ secrets, ic, signals, a, b }, by) => {
        const open = openKey(...secrets, ic);
        const key = verifier.prepare(open.key);
        const proof = proofWith(open, signals, a, b);
        const verdict = (forgery: Proof) => verifier.verify(key, signals, forgery);
        expect(verdict(proof)).toBe(true);
        if (b !== 0n) expect(verdict({ ...proof, a: G1.add(proof.a, g1(by)) })).toBe(false);
        if (a !== 0n) expect(verdict({ ...proof, b: G2.add(proof.b, g2(by)) })).toBe(false);
        expect(verdict({ ...proof, c: G1.add(proof.c, g1(by)) })).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it("refuses another value of each public signal that counts", () => {
    fc.assert(
      fc.property(statement, nonZero, ({ secrets, ic, signals, a, b }, by) => {
        const open = openKey(...secrets, ic);
        const key = verifier.prepare(open.key);
        const proof = proofWith(open, signals, a, b);
        for (const [i, signal] of signals.entries()) {
          const changed = signals.with(i, mod(signal + by, R));
          expect(verifier.verify(key, changed, proof)).toBe(ic[i + 1] === 0n);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("leaves out factors that are one: A, B, C or the sum of inputs at infinity", () => {
    // alpha beta = -(gamma inputs + delta c) + a b in each case.
    const open = openKey(3n, 5n, 7n, 11n, [-13n, 1n]);
    const key = verifier.prepare(open.key);
    expect(inputsOf(open, [13n])).toBe(0n);
    const atInfinity = [
      proofWith(open, [13n], 4n, 9n), // the inputs
      proofWith(open, [13n], 0n, 9n), // A too
      proofWith(open, [13n], 4n, 0n), // B
      proofWith(open, [13n], 3n, 5n), // C: only e(-A, B) and e(alpha, beta) are left
    ];
    expect(atInfinity.at(-1)?.c).toEqual(G1.infinity);
    for (const proof of atInfinity) expect(verifier.verify(key, [13n], proof)).toBe(true);
    const nothing = { a: G1.infinity, b: G2.infinity, c: G1.infinity };
    expect(verifier.verify(key, [13n], nothing)).toBe(false);
    for (const proof of atInfinity) expect(verifier.verify(key, [12n], proof)).toBe(false);
  });

  it("refuses a point outside its group even where the equation holds whatever it is", () => {
    const open = openKey(3n, 5n, 7n, 11n, [13n]);
    const key = verifier.prepare(open.key);
    const verdict = (forgery: Proof) => verifier.verify(key, [], forgery);
    // With A at infinity B does not count, and the other way round.
    const [withoutA, withoutB] = [proofWith(open, [], 0n, 9n), proofWith(open, [], 9n, 0n)];
    expect([withoutA, withoutB].map(verdict)).toEqual([true, true]);
    expect(verdict({ ...withoutA, b: g2(10n) })).toBe(true);
    expect(verdict({ ...withoutB, a: g1(10n) })).toBe(true);
    expect(verdict({ ...withoutA, b: strayPoint() })).toBe(false);
    expect(verdict({ ...withoutA, b: G2.add(g2(9n), strayPoint()) })).toBe(false);
    expect(verdict({ ...withoutB, a: { x: 1n, y: 3n } })).toBe(false);
    // On y^2 = x^3 + 64 b, where the check of the subgroup sees no difference.
    const { x, y } = g2(9n);
    const twisted = { x: FQ2.multiply(x, [4n, 0n]), y: FQ2.multiply(y, [8n, 0n]) };
    expect(verdict({ ...withoutA, b: twisted })).toBe(false);
  });

  it("judges every point before it starts on pairings", () => {
    const open = openKey(3n, 5n, 7n, 11n, [13n]);
    const key = verifier.prepare(open.key);
    const proof = proofWith(open, [], 2n, 9n);
    const called = vi.spyOn(tower.machine, "call");
    const pairs = () => called.mock.calls.some(([name]) => name === "pairing.miller");
    try {
      const offCurve = { x: 1n, y: 3n };
      for (const forgery of [
        { ...proof, a: offCurve },
        { ...proof, c: offCurve },
        { ...proof, b: { x: [1n, 0n], y: [3n, 0n] } as const },
        { ...proof, b: strayPoint() },
      ]) {
        expect(verifier.verify(key, [], forgery)).toBe(false);
        expect(pairs()).toBe(false);
      }
      expect(verifier.verify(key, [], proof)).toBe(true);
      expect(pairs()).toBe(true);
    } finally {
      called.mockRestore();
    }
  });

  it("takes any number of public signals", () => {
    for (const count of [0, 1, 31, 32, 33, 65]) {
      const ic = Array.from({ length: count + 1 }, (_, i) => BigInt(i * i + 1));
      const signals = Array.from({ length: count }, (_, i) => mod(-(7n ** BigInt(i + 80)), R));
      const open = openKey(2n, 3n, 4n, 5n, ic);
      const key = verifier.prepare(open.key);
      const proof = proofWith(open, signals, 6n, 7n);
      expect(verifier.verify(key, signals, proof), `${count}`).toBe(true);
      if (count > 0) {
        const changed = signals.with(-1, 1n);
        expect(verifier.verify(key, changed, proof), `${count}`).toBe(false);
        expect(verifier.verify(key, signals.slice(1), proof)).toBe(false);
      }
      expect(verifier.verify(key, [...signals, 0n], proof)).toBe(false);
    }
  });

  it("keeps keys apart, also those prepared by another instance", () => {
    const [one, two] = [openKey(2n, 3n, 4n, 5n, [6n]), openKey(3n, 2n, 5n, 4n, [6n])];
    const other = new Verifier(Tower.open());
    const keys = [verifier.prepare(one.key), structuredClone(other.prepare(two.key))] as const;
    const proofs = [proofWith(one, [], 8n, 9n), proofWith(two, [], 8n, 9n)] as const;
    for (const anybody of [verifier, other]) {
      for (const i of [0, 1] as const) {
        for (const j of [0, 1] as const) {
          expect(anybody.verify(keys[i], [], proofs[j])).toBe(i === j);
        }
      }
    }
  });

  it("refuses to prepare a key with a point at infinity", () => {
    const { key } = openKey(2n, 3n, 4n, 5n, [6n]);
    for (const broken of [
      { ...key, alpha1: G1.infinity },
      { ...key, beta2: G2.infinity },
      { ...key, gamma2: G2.infinity },
      { ...key, delta2: G2.infinity },
    ]) {
      expect(() => verifier.prepare(broken)).toThrow(RangeError);
    }
  });
});

describe("worker / kernels / verifier verify, with a circuit's key", () => {
  let key: VerificationKey;
  let prepared: PreparedKey;
  let proof: Proof;
  let signals: readonly bigint[];

  beforeAll(async () => {
    const fixture = await smallFixture();
    const zkey = parseZkey(await readFile(fixture.key));
    key = zkey.verificationKey;
    prepared = verifier.prepare(key);
    const program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
    const witness = await program.calculate(smallInputs());
    const proved = await prove(referenceEngine, await residentKey(referenceEngine, zkey), witness);
    ({ proof, publicSignals: signals } = proved);
  });

  const verdict = (forgery: Proof, inputs = signals) => verifier.verify(prepared, inputs, forgery);

  it("accepts the proof, and refuses it with any bit of any coordinate flipped", () => {
    expect(verdict(proof)).toBe(true);
    const { a, b, c } = proof;
    const flips: Record<string, (mask: bigint) => Proof> = {
      "a.x": (mask) => ({ ...proof, a: { ...a, x: a.x ^ mask } }),
      "a.y": (mask) => ({ ...proof, a: { ...a, y: a.y ^ mask } }),
      "b.x real": (mask) => ({ ...proof, b: { ...b, x: [b.x[0] ^ mask, b.x[1]] } }),
      "b.x imaginary": (mask) => ({ ...proof, b: { ...b, x: [b.x[0], b.x[1] ^ mask] } }),
      "b.y real": (mask) => ({ ...proof, b: { ...b, y: [b.y[0] ^ mask, b.y[1]] } }),
      "b.y imaginary": (mask) => ({ ...proof, b: { ...b, y: [b.y[0], b.y[1] ^ mask] } }),
      "c.x": (mask) => ({ ...proof, c: { ...c, x: c.x ^ mask } }),
      "c.y": (mask) => ({ ...proof, c: { ...c, y: c.y ^ mask } }),
    };
    for (const [name, flip] of Object.entries(flips)) {
      for (let bit = 0n; bit < 257n; bit++) {
        expect(verdict(flip(1n << bit)), `${name} bit ${bit}`).toBe(false);
      }
    }
  });

  it("refuses every public signal with one bit flipped, and aliases by r", () => {
    for (const [i, signal] of signals.entries()) {
      for (let bit = 0n; bit < 254n; bit += 3n) {
        expect(verdict(proof, signals.with(i, signal ^ (1n << bit))), `bit ${bit}`).toBe(false);
      }
      expect(verdict(proof, signals.with(i, signal + R))).toBe(false);
      expect(verdict(proof, signals.with(i, signal - R))).toBe(false);
    }
  });

  it("refuses coordinates that are aliased by q", () => {
    const { a, b, c } = proof;
    for (const by of [Q, -Q, 2n ** 256n]) {
      expect(verdict({ ...proof, a: { ...a, x: a.x + by } })).toBe(false);
      expect(verdict({ ...proof, b: { ...b, y: [b.y[0], b.y[1] + by] } })).toBe(false);
      expect(verdict({ ...proof, c: { ...c, y: c.y + by } })).toBe(false);
    }
  });

  it("judges forgeries as the verification over bigints does", async () => {
    const { a, b, c } = proof;
    const stray = strayPoint();
    const forgeries: Proof[] = [
      proof,
      { a: G1.negate(a), b: G2.negate(b), c }, // another proof of the same statement
      { a: G1.multiply(a, 2n), b: G2.multiply(b, (R + 1n) / 2n), c }, // and one more
      { ...proof, a: G1.negate(a) },
      { ...proof, b: G2.negate(b) },
      { a: c, b, c: a },
      { ...proof, a: { x: 1n, y: 3n } },
      { ...proof, c: { x: 0n, y: 1n } },
      { ...proof, b: { x: [1n, 0n], y: [3n, 0n] } },
      { ...proof, b: stray },
      { ...proof, b: G2.add(b, stray) },
      { ...proof, a: G1.infinity },
      { ...proof, b: G2.infinity },
      { a: G1.infinity, b: G2.infinity, c: G1.infinity },
    ];
    const verdicts = [];
    for (const [i, forgery] of forgeries.entries()) {
      const expected = await verify(referenceEngine, key, signals, forgery);
      expect(verdict(forgery), `forgery ${i}`).toBe(expected);
      verdicts.push(expected);
    }
    expect(verdicts.slice(0, 4)).toEqual([true, true, true, false]);
  });
});

/** A point of G2's curve outside G2. */
function strayPoint(): G2Point {
  const b = FQ2.multiply([3n, 0n], FQ2.invert([9n, 1n]));
  for (let real = 1n; ; real++) {
    const x: Fq2 = [real, 1n];
    const right = FQ2.add(FQ2.multiply(FQ2.multiply(x, x), x), b);
    try {
      const y = bn254.fields.Fp2.sqrt({ c0: right[0], c1: right[1] });
      return { x, y: [y.c0, y.c1] };
    } catch {} // not a square
  }
}
