import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fq2, G1, G2, type G2Point } from "../../worker/curve.ts";
import type { Engine } from "../../worker/engine.ts";
import { referenceEngine } from "../../worker/engines/reference.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import {
  BASE_FIELD,
  invert,
  mod,
  power,
  readLE,
  SCALAR_FIELD,
  writeLE,
} from "../../worker/field.ts";
import {
  type Proved,
  type ProvingKey,
  prove,
  randomScalar,
  residentKey,
  verify,
} from "../../worker/groth16.ts";
import { type Proof, proofToJson, publicSignalsToJson } from "../../worker/proof.ts";
import { parseR1cs } from "../../worker/r1cs.ts";
import { verificationKeyToJson } from "../../worker/verification-key.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { parseZkey } from "../../worker/zkey.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { endSnarkjs } from "../circuits/small-circuit.ts";
import { type Fixture, smallFixture, smallInputs, verifyWithSnarkjs } from "./fixtures.ts";

let fixture: Fixture;
let engine: Engine;
let key: ProvingKey;
let program: WitnessProgram;
const witness = (secret?: number) => program.calculate(smallInputs(secret));

beforeAll(async () => {
  fixture = await smallFixture();
  engine = await openWasm();
  key = await residentKey(engine, parseZkey(await readFile(fixture.key)));
  program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
});
afterAll(async () => {
  await engine.close();
  await endSnarkjs();
});

/** What the three verifiers say, ours first. They must agree. */
async function verdicts({ proof, publicSignals }: Proved): Promise<boolean[]> {
  const vk = key.verificationKey;
  return [
    await verify(engine, vk, publicSignals, proof),
    verifyWithNoble(vk, publicSignals, proof),
    await verifyWithSnarkjs(
      verificationKeyToJson(vk),
      publicSignalsToJson(publicSignals),
      proofToJson(proof),
    ),
  ];
}

describe("worker / groth16 prove", () => {
  it("makes proofs that snarkjs, noble's pairing and our verifier accept", async () => {
    const proved = await prove(engine, key, witness());
    expect(proved.publicSignals).toEqual([6480n, 3n]);
    expect(await verdicts(proved)).toEqual([true, true, true]);
  });

  it("makes the same proof in every engine for the same blinding", async () => {
    const zkey = parseZkey(await readFile(fixture.key));
    const slow = await residentKey(referenceEngine, zkey);
    const options = { randomness: [123456789n, SCALAR_FIELD - 5n] } as const;
    expect(await prove(engine, key, witness(), options)).toEqual(
      await prove(referenceEngine, slow, witness(), options),
    );
  });

  it("makes another proof each time, and each verifies", async () => {
    const [one, two] = [await prove(engine, key, witness()), await prove(engine, key, witness())];
    expect(one.proof.a).not.toEqual(two.proof.a);
    expect(one.proof.b).not.toEqual(two.proof.b);
    expect(one.proof.c).not.toEqual(two.proof.c);
    expect(await verify(engine, key.verificationKey, two.publicSignals, two.proof)).toBe(true);
  });

  it("proves with blinding of zero, where every term of delta is infinity", async () => {
    const proved = await prove(engine, key, witness(), { randomness: [0n, 0n] });
    expect(await verdicts(proved)).toEqual([true, true, true]);
  });

  it("proves with a development key", async () => {
    const zkey = parseZkey(await readFile(fixture.devKey));
    const devKey = await residentKey(engine, zkey);
    const { proof, publicSignals } = await prove(engine, devKey, witness());
    expect(devKey.isDevKey).toBe(true);
    expect(verifyWithNoble(zkey.verificationKey, publicSignals, proof)).toBe(true);
  });

  it("refuses every witness in which one value is wrong, with the failing constraint", async () => {
    const constraints = async () => parseR1cs(await readFile(fixture.r1cs));
    for (let wire = 1; wire < key.nVars; wire++) {
      const wrong = witness();
      writeLE(wrong, 32 * wire, (readLE(wrong, 32 * wire) + 1n) % SCALAR_FIELD);
      await expect(
        prove(engine, key, wrong, { constraints }),
        `wire ${wire}`,
      ).rejects.toMatchObject({
        code: "WITNESS_UNSATISFIABLE",
        detail: { constraint: expect.any(Number) },
      });
    }
  });

  it("says so when it cannot tell a wrong witness from a key of another circuit", async () => {
    const wrong = witness();
    writeLE(wrong, 32 * 5, 77n);
    await expect(prove(engine, key, wrong)).rejects.toMatchObject({
      code: "WITNESS_UNSATISFIABLE",
      message: expect.stringContaining("or the key is of another circuit"),
    });
  });

  it("withholds a proof that an engine computed wrongly, with PROOF_REJECTED", async () => {
    const { resident } = key;
    const faulty: ProvingKey = {
      ...key,
      resident: {
        release: () => undefined,
        begin: (values) => {
          const run = resident.begin(values);
          const sums: typeof run.sums = async (request, checkpoint) => {
            const { g1, g2 } = await run.sums(request, checkpoint);
            return { g1: g1.map((point) => G1.add(point, G1.generator)), g2 };
          };
          return { sums, end: () => run.end() };
        },
      },
    };
    const constraints = async () => parseR1cs(await readFile(fixture.r1cs));
    await expect(prove(engine, faulty, witness(), { constraints })).rejects.toMatchObject({
      code: "PROOF_REJECTED",
    });
  });

  it("wipes the witness after a proof, a refusal and a cancellation", async () => {
    const good = witness();
    await prove(engine, key, good);
    const wrong = witness();
    writeLE(wrong, 32 * 5, 77n);
    await prove(engine, key, wrong).catch(() => undefined);
    const wild = witness();
    writeLE(wild, 32 * 5, SCALAR_FIELD);
    await prove(engine, key, wild).catch(() => undefined);
    const stopped = witness();
    await prove(engine, key, stopped, { isCancelled: () => true }).catch(() => undefined);
    for (const bytes of [good, wrong, wild, stopped]) {
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
  });

  it("stops with CANCELLED at any checkpoint", async () => {
    let checkpoints = 0;
    const count = () => {
      checkpoints++;
      return false;
    };
    await prove(engine, key, witness(), { isCancelled: count });
    const total = checkpoints;
    expect(total).toBeGreaterThan(10);
    for (let stopAt = 1; stopAt <= total; stopAt += 7) {
      checkpoints = 0;
      const isCancelled = () => ++checkpoints >= stopAt;
      await expect(prove(engine, key, witness(), { isCancelled })).rejects.toMatchObject({
        code: "CANCELLED",
      });
    }
    const proved = await prove(engine, key, witness());
    expect(await verify(engine, key.verificationKey, proved.publicSignals, proved.proof)).toBe(
      true,
    );
  });

  it("reports progress that never goes back and ends with verifying", async () => {
    const seen: [string, number][] = [];
    await prove(engine, key, witness(), { onProgress: (stage, done) => seen.push([stage, done]) });
    const proving = seen.filter(([stage]) => stage === "proving").map(([, done]) => done);
    expect(proving).toEqual([...proving].sort((a, b) => a - b));
    expect(Math.max(...proving)).toBeLessThanOrEqual(1);
    expect(seen.at(-1)).toEqual(["verifying", 0]);
  });
});

describe("worker / groth16 verify", () => {
  let proved: Proved;
  beforeAll(async () => {
    proved = await prove(engine, key, witness());
  });

  it("refuses every proof in which one bit of a coordinate is flipped", async () => {
    const { proof, publicSignals } = proved;
    const flips: [string, (mask: bigint) => Proof][] = [
      ["a.x", (mask) => ({ ...proof, a: { ...proof.a, x: proof.a.x ^ mask } })],
      ["a.y", (mask) => ({ ...proof, a: { ...proof.a, y: proof.a.y ^ mask } })],
      ["c.x", (mask) => ({ ...proof, c: { ...proof.c, x: proof.c.x ^ mask } })],
      ["c.y", (mask) => ({ ...proof, c: { ...proof.c, y: proof.c.y ^ mask } })],
      ["b.x", (mask) => ({ ...proof, b: { ...proof.b, x: [proof.b.x[0] ^ mask, proof.b.x[1]] } })],
      ["b.y", (mask) => ({ ...proof, b: { ...proof.b, y: [proof.b.y[0], proof.b.y[1] ^ mask] } })],
    ];
    for (const [name, flip] of flips) {
      for (let bit = 0n; bit < 256n; bit += 5n) {
        const tampered = flip(1n << bit);
        const isValid = await verify(engine, key.verificationKey, publicSignals, tampered);
        expect(isValid, `${name} bit ${bit}`).toBe(false);
      }
    }
  });

  it("refuses any change of a public signal, also by r", async () => {
    const { proof, publicSignals } = proved;
    await fc.assert(
      fc.asyncProperty(fc.nat(1), fc.bigInt({ min: 1n, max: SCALAR_FIELD - 1n }), async (i, by) => {
        const changed = publicSignals.with(i, ((publicSignals[i] as bigint) + by) % SCALAR_FIELD);
        expect(await verdicts({ proof, publicSignals: changed })).toEqual([false, false, false]);
      }),
      { numRuns: 5 },
    );
    const aliased = publicSignals.with(0, (publicSignals[0] as bigint) + SCALAR_FIELD);
    expect(await verify(engine, key.verificationKey, aliased, proof)).toBe(false);
    const negative = publicSignals.with(0, (publicSignals[0] as bigint) - SCALAR_FIELD);
    expect(await verify(engine, key.verificationKey, negative, proof)).toBe(false);
  });

  it("refuses coordinates that are aliased by q", async () => {
    const { proof, publicSignals } = proved;
    const aliased = { ...proof, a: { ...proof.a, x: proof.a.x + BASE_FIELD } };
    expect(await verify(engine, key.verificationKey, publicSignals, aliased)).toBe(false);
  });

  it("refuses too few and too many public signals", async () => {
    const { proof, publicSignals } = proved;
    for (const signals of [publicSignals.slice(1), [...publicSignals, 0n], []]) {
      expect(await verify(engine, key.verificationKey, signals, proof)).toBe(false);
    }
  });

  it("refuses a B on the curve but outside the subgroup", async () => {
    const { proof, publicSignals } = proved;
    const stray = pointOutsideSubgroup();
    expect(G2.isOnCurve(stray)).toBe(true);
    // Of another order than r: the pairing alone might not notice the sum.
    const tampered = { ...proof, b: G2.add(proof.b, stray) };
    expect(await verify(engine, key.verificationKey, publicSignals, tampered)).toBe(false);
  });

  it("refuses points off their curves", async () => {
    const { proof, publicSignals } = proved;
    const verdict = (forgery: Proof) => verify(engine, key.verificationKey, publicSignals, forgery);
    expect(await verdict(proof)).toBe(true);
    const offCurve = { x: 1n, y: 3n };
    expect(await verdict({ ...proof, a: offCurve })).toBe(false);
    expect(await verdict({ ...proof, c: offCurve })).toBe(false);
    expect(await verdict({ ...proof, b: { x: [1n, 0n], y: [3n, 0n] } })).toBe(false);
    expect(await verdict({ ...proof, b: pointOutsideSubgroup() })).toBe(false);
  });

  it("refuses proofs made of infinity and of other proofs' parts", async () => {
    const { proof, publicSignals } = proved;
    const other = (await prove(engine, key, witness(7))).proof;
    const forgeries = [
      { a: G1.infinity, b: G2.infinity, c: G1.infinity },
      { ...proof, a: G1.infinity },
      { ...proof, c: other.c },
      { ...proof, a: other.a, b: other.b },
      { ...proof, a: G1.negate(proof.a) },
    ];
    for (const forgery of forgeries) {
      expect(await verify(engine, key.verificationKey, publicSignals, forgery)).toBe(false);
    }
  });

  it("refuses a proof under another circuit's or another ceremony's key", async () => {
    const { verificationKey } = parseZkey(await readFile(fixture.devKey));
    const { proof, publicSignals } = proved;
    expect(await verify(engine, verificationKey, publicSignals, proof)).toBe(false);
  });
});

describe("worker / groth16 blinding", () => {
  it("is canonical and has no fixed bits", () => {
    const scalars = Array.from({ length: 400 }, randomScalar);
    expect(scalars.every((value) => value >= 0n && value < SCALAR_FIELD)).toBe(true);
    // Each of the 254 bits is 0 once and 1 once; a fixed one passes with 254 * 2^-400.
    for (let bit = 0n; bit < 254n; bit++) {
      const seen = new Set(scalars.map((value) => (value >> bit) & 1n));
      expect(seen.size, `bit ${bit}`).toBe(2);
    }
  });
});

/** The first point of the twisted curve with a small real x that has not the order r. */
function pointOutsideSubgroup(): G2Point {
  const { multiply, add } = G2.field;
  const b = multiply([3n, 0n], G2.field.invert([9n, 1n]));
  for (let real = 1n; ; real++) {
    const x: Fq2 = [real, 0n];
    const y = squareRoot(add(multiply(multiply(x, x), x), b));
    if (y && !G2.isInSubgroup({ x, y })) return { x, y };
  }
}

/** A root in Fq2 by way of the norm; undefined if there is none, or in the rare case of c = 0. */
function squareRoot([a, b]: Fq2): Fq2 | undefined {
  const q = BASE_FIELD;
  const half = invert(2n, q);
  const rootInFq = (value: bigint) => power(value, (q + 1n) / 4n, q);
  const norm = rootInFq(a * a + b * b);
  for (const sign of [1n, -1n]) {
    const c = rootInFq((a + sign * norm) * half);
    if (c === 0n) continue;
    const candidate: Fq2 = [c, mod(b * half * invert(c, q), q)];
    const { equals, multiply } = G2.field;
    if (equals(multiply(candidate, candidate), [a, b])) return candidate;
  }
  return undefined;
}
