import { beforeAll, describe, expect, it } from "vitest";
import { BASE8, SUBGROUP_ORDER } from "../../../circuits/babyjubjub.ts";
import { poseidon } from "../../../circuits/poseidon.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { changedAt } from "../places.ts";
import { DOMAIN } from "../small-rollup.ts";
import { bitsOf } from "../template-main.ts";
import { inputsOf } from "./forgery.ts";
import { TinyCircuit } from "./tiny-circuit.ts";
import { BitForger } from "./wire-forgery.ts";

// The challenge h is a field element; the circuit multiplies by the integer e of 254 bits, e = h + offset modulo r. If another
// e passed, h would stand for another scalar. In an unused slot the signature's equation is lifted: there the scalar
// multiplication can follow any bits, and nothing but the two comparisons of ChallengeBits is left to object.

const OFFSET = 11n * SUBGROUP_ORDER - 2n ** 254n;
const CHOICES = Array.from({ length: 16 }, (_, i) => i);

let circuit: TinyCircuit;
let names: Map<string, number>;
beforeAll(async () => {
  circuit = await TinyCircuit.load();
  // The first of the two slots has the lower wires.
  names = new Map();
  for (let wire = circuit.constraints.nWires - 1; wire > 0; wire--) {
    const name = /\.ChallengeBits_\w+\.(.*)$/.exec(circuit.name(wire))?.[1];
    if (name !== undefined) names.set(name, wire);
  }
});

/** An unused slot with a challenge in a range, found by trying values of validUntil; and its witness. */
function slotWithChallenge(isWanted: (h: bigint) => boolean): {
  h: bigint;
  witness: readonly bigint[];
} {
  for (let validUntil = 1n; ; validUntil++) {
    const message = poseidon([DOMAIN, validUntil * 2n ** 168n, 0n, 0n]);
    const h = poseidon([BASE8.x, BASE8.y, BASE8.x, BASE8.y, message]);
    if (!isWanted(h)) continue;
    const { witness, broken } = circuit.judge(changedAt(inputsOf({}), ["tx", 0, 5], validUntil));
    expect(broken).toEqual([]);
    return { h, witness };
  }
}

/** Wires with their values for a signal of bits; the compiler has removed some, which follow from the others. */
function wiresFor(signal: string, bits: readonly bigint[]): [number, bigint][] {
  return bits.flatMap((bit, i): [number, bigint][] => {
    const wire = names.get(`${signal}[${i}]`);
    return wire === undefined ? [] : [[wire, bit]];
  });
}

/** The wires of a comparison that looks at a chunk: value >= c. */
function comparison(component: string, chunk: number, value: bigint, c: bigint) {
  const shift = BigInt(16 * chunk);
  const difference = BigInt.asUintN(16, (value >> shift) - ((c - 1n) >> shift) - 1n);
  return [
    ...wiresFor(`${component}.index`, bitsOf(BigInt(chunk), 4)),
    ...wiresFor(`${component}.differenceBits`, bitsOf(difference, 16)),
  ];
}

/** Rows that object to the bits of e, for the chunks that the forger names in the two comparisons. */
function objections(forger: BitForger, e: bigint, low: number, high: number): number[] {
  const [first, second] = [...names.keys()]
    .flatMap((name) => /^(AtLeastConstant_\w+)\.index\[0\]$/.exec(name)?.[1] ?? [])
    .sort() as [string, string];
  const beyond = 2n ** 254n - OFFSET - SCALAR_FIELD;
  const changes = new Map([
    ...wiresFor("bits", bitsOf(e, 254)),
    ...comparison(first, low, e, OFFSET),
    ...comparison(second, high, 2n ** 254n - 1n - e, beyond),
  ]);
  return forger.broken(changes);
}

describe("soundness / the challenge's bits", () => {
  const aliases: [name: string, isWanted: (h: bigint) => boolean, shift: bigint][] = [
    ["+ r", (h) => h + OFFSET + SCALAR_FIELD < 2n ** 254n, SCALAR_FIELD],
    ["- r", (h) => h + OFFSET >= SCALAR_FIELD, -SCALAR_FIELD],
  ];
  for (const [name, isWanted, shift] of aliases) {
    it(`refuses those of the challenge ${name}, and only the comparisons object`, () => {
      const { h, witness } = slotWithChallenge(isWanted);
      const forger = new BitForger(circuit.constraints, witness);
      const e = h + OFFSET;
      const isAllowed = (value: bigint) =>
        CHOICES.some((low) =>
          CHOICES.some((high) => objections(forger, value, low, high).length === 0),
        );
      expect(isAllowed(e), "the honest bits, forged in the same way").toBe(true);
      // The comparisons have no wire in common: what fails for every chunk of one, fails for every pair.
      const rows = CHOICES.map((chunk) => objections(forger, e + shift, chunk, chunk));
      expect(rows.every((broken) => broken.length > 0)).toBe(true);
      for (const row of rows.flat()) {
        const wires = circuit.constraints.wiresOf(row).map((wire) => circuit.name(wire));
        expect(wires.some((wire) => wire.includes("AtLeastConstant"))).toBe(true);
      }
    });
  }
});
