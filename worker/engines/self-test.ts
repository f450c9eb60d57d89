/**
 * Known answers: before kernels compute anything that counts, they sum points whose logarithms are
 * known and transform values that bigints have transformed. A compiler that gets one instruction
 * wrong, or a processor that is not what it says, shows here and not in a refused proof.
 */
import { G1, type G1Point, G2, type G2Point } from "../curve.ts";
import type { Engine } from "../engine.ts";
import { BASE_FIELD, mod, SCALAR_FIELD, writeLE } from "../field.ts";
import { COEFFICIENT_BYTES, G1_BYTES, G2_BYTES, type Zkey } from "../zkey.ts";
import { referenceQuotient } from "./reference.ts";

/** Wires and domain of the test's key: enough for whole quads, odd rests and several layers. */
const WIRES = 37;
const DOMAIN = 32;

/** @returns what was wrong, or undefined. */
export async function selfTest(engine: Engine): Promise<string | undefined> {
  const { zkey, logarithms, witness } = testKey();
  const key = await engine.loadKey(zkey);
  const run = key.begin(bytesOf(witness));
  try {
    const nothing = () => undefined;
    const dot = (scalars: readonly bigint[]) =>
      mod(
        scalars.reduce((sum, s, i) => sum + s * (logarithms[i] as bigint), 0n),
        SCALAR_FIELD,
      );
    const factor = SCALAR_FIELD - 12345n;
    const { g1, g2 } = await run.sums(
      { g1: [[{ section: "a", factor }], [{ section: "h" }]], g2: [[{ section: "b2" }]] },
      nothing,
    );
    const inA = dot(witness);
    const inH = dot(referenceQuotient(zkey, bytesOf(witness)));
    if (!G1.equals(g1[0] as G1Point, G1.multiply(G1.generator, (inA * factor) % SCALAR_FIELD))) {
      return "a sum in G1 is wrong";
    }
    if (!G2.equals(g2[0] as G2Point, G2.multiply(G2.generator, inA))) return "a sum in G2 is wrong";
    if (!G1.equals(g1[1] as G1Point, G1.multiply(G1.generator, inH))) return "a quotient is wrong";
    return undefined;
  } finally {
    await run.end();
    key.release();
  }
}

/** Equal, opposite and infinite points among others; scalars of all sizes. */
function testKey() {
  const logarithms = Array.from({ length: WIRES }, (_, i) => {
    const special = [1n, 1n, 1n, SCALAR_FIELD - 1n, 0n, 2n, 2n];
    return special[i] ?? BigInt(i % 11) + 3n;
  });
  const witness = Array.from({ length: WIRES }, (_, i) => {
    const special = [
      1n,
      0n,
      SCALAR_FIELD - 1n,
      1n,
      7n,
      SCALAR_FIELD >> 1n,
      (SCALAR_FIELD >> 1n) + 1n,
    ];
    return special[i] ?? mod(0x9e3779b97f4a7c15f39cc0605cedc835n ** BigInt(i), SCALAR_FIELD);
  });
  const inG1 = multiples(G1);
  const inG2 = multiples(G2);
  const g1 = section(G1_BYTES, logarithms, (k) => {
    const { x, y } = inG1(k);
    return [x, y];
  });
  const g2 = section(G2_BYTES, logarithms, (k) => {
    const { x, y } = inG2(k);
    return [...x, ...y];
  });
  const { x, y } = G1.generator;
  const zkey: Zkey = {
    nVars: WIRES,
    nPublic: 1,
    domainSize: DOMAIN,
    beta1: { x, y },
    delta1: { x, y },
    verificationKey: {
      alpha1: G1.generator,
      beta2: G2.generator,
      gamma2: G2.generator,
      delta2: G2.generator,
      ic: [G1.generator, G1.generator],
    },
    coefficients: coefficients(),
    a: g1,
    b1: new Uint8Array(g1.length),
    c: new Uint8Array(g1.length - 2 * G1_BYTES),
    h: g1.slice(0, DOMAIN * G1_BYTES),
    b2: g2,
    isDevKey: true,
  };
  return { zkey, logarithms, witness };
}

/** The multiples of a group's generator by small numbers and their negatives, each computed once. */
function multiples<T>(group: typeof G1 | typeof G2): (k: bigint) => T & G1Point & G2Point {
  const known = new Map<bigint, unknown>();
  return (k) => {
    const point = known.get(k) ?? group.multiply(group.generator as never, k);
    known.set(k, point);
    return point as T & G1Point & G2Point;
  };
}

function section(
  size: number,
  logarithms: readonly bigint[],
  coordinates: (k: bigint) => readonly bigint[],
): Uint8Array {
  const bytes = new Uint8Array(size * logarithms.length);
  logarithms.forEach((k, i) => {
    coordinates(k).forEach((value, c) => {
      writeLE(bytes, size * i + 32 * c, (value << 256n) % BASE_FIELD);
    });
  });
  return bytes;
}

function coefficients(): Uint8Array {
  const entries = 3 * DOMAIN + 1;
  const bytes = new Uint8Array(entries * COEFFICIENT_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < entries; i++) {
    const at = i * COEFFICIENT_BYTES;
    view.setUint32(at, i % 2, true);
    view.setUint32(at + 4, (5 * i) % DOMAIN, true);
    view.setUint32(at + 8, (7 * i) % WIRES, true);
    const value = i % 3 === 0 ? SCALAR_FIELD - 1n : BigInt(i) ** 40n;
    writeLE(bytes, at + 12, (value << 512n) % SCALAR_FIELD);
  }
  return bytes;
}

function bytesOf(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(32 * values.length);
  values.forEach((value, i) => {
    writeLE(bytes, 32 * i, value);
  });
  return bytes;
}
