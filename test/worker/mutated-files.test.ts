import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../worker/engine.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import { prove, residentKey } from "../../worker/groth16.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns, parseWtns } from "../../worker/wtns.ts";
import { parseZkey } from "../../worker/zkey.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { smallFixture, smallInputs } from "./fixtures.ts";
import { outcomeOf } from "./key-file.ts";

const WIRES = 31;
/** Set PROOFMILL_TEST_SEED to repeat a run. */
const seed = Number(process.env.PROOFMILL_TEST_SEED ?? randomInt(2 ** 31));

let zkey: Uint8Array;
let wtns: Uint8Array;
let engine: Engine;
beforeAll(async () => {
  const fixture = await smallFixture();
  zkey = new Uint8Array(await readFile(fixture.key));
  const program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
  wtns = encodeWtns(program.calculate(smallInputs()));
  engine = await openWasm();
});
afterAll(() => engine.close());

/** Marsaglia's xorshift32: small, and the same on every machine. */
function generator(state: number): (below: number) => number {
  let x = state | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

/** One to three of the ways in which a file goes wrong, most of them near the beginning. */
function mutate(original: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = new Uint8Array(original);
  const place = () => random(random(2) === 0 ? Math.min(700, bytes.length) : bytes.length);
  for (let rounds = 1 + random(3); rounds > 0 && bytes.length > 0; rounds--) {
    const at = place();
    switch (random(7)) {
      case 0:
        bytes[at] = (bytes[at] as number) ^ (1 << random(8));
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = new Uint8Array(Buffer.concat([bytes, bytes.subarray(at, at + 1 + random(64))]));
        break;
      case 4:
        bytes.copyWithin(at, place(), place());
        break;
      case 5:
        bytes.fill(random(2) === 0 ? 0 : 0xff, at, at + 1 + random(40));
        break;
      default:
        bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, at), bytes.subarray(place())]));
    }
  }
  return bytes;
}

describe(`worker / mutated files (seed ${seed})`, () => {
  it("accepts or refuses 4,000 mutated witness files with a typed error", () => {
    const random = generator(seed);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      const got = outcomeOf(() => parseWtns(mutate(wtns, random), WIRES));
      outcomes.set(got, (outcomes.get(got) ?? 0) + 1);
    }
    expect([...outcomes.keys()].sort()).toEqual(["WITNESS_MALFORMED", "accepted"]);
    expect(outcomes.get("WITNESS_MALFORMED")).toBeGreaterThan(1000);
  });

  it("accepts or refuses 2,000 mutated keys with a typed error", () => {
    const random = generator(seed);
    const outcomes = new Set<string>();
    for (let i = 0; i < 2000; i++) outcomes.add(outcomeOf(() => parseZkey(mutate(zkey, random))));
    expect(outcomes).toContain("KEY_MALFORMED");
    for (const got of outcomes) expect(["KEY_MALFORMED", "KEY_REFUSED", "accepted"]).toContain(got);
  });

  it("never releases a wrong proof: what is parsed proves truly or is refused", async () => {
    const random = generator(seed);
    const sound = parseZkey(zkey);
    const good = await residentKey(engine, sound);
    const seen = new Map<string, number>();
    for (let i = 0; i < 150; i++) {
      const mutant = mutate(wtns, random);
      if (outcomeOf(() => parseWtns(mutant, WIRES)) !== "accepted") continue;
      const witness = parseWtns(mutant, WIRES).slice();
      const outcome = await prove(engine, good, witness).then(
        ({ proof, publicSignals }) =>
          verifyWithNoble(sound.verificationKey, publicSignals, proof) ? "proved" : "WRONG PROOF",
        (error) => String(error.code),
      );
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }
    expect(seen.get("WITNESS_UNSATISFIABLE")).toBeGreaterThan(5);
    seen.delete("WITNESS_UNSATISFIABLE");
    // A mutation may change nothing, such as zero to zero.
    seen.delete("proved");
    expect([...seen]).toEqual([]);
  });

  it("never releases a wrong proof from a key in which one section's point was exchanged", async () => {
    const random = generator(seed);
    const { verificationKey } = parseZkey(zkey);
    for (const section of ["a", "b1", "c", "h"] as const) {
      const damaged = parseZkey(zkey.slice());
      const points = damaged[section];
      const [from, to] = [random(points.length / 64), random(points.length / 64)];
      points.copyWithin(64 * to, 64 * from, 64 * from + 64);
      const key = await residentKey(engine, damaged);
      const outcome = await prove(engine, key, parseWtns(wtns, WIRES).slice()).then(
        ({ proof, publicSignals }) => verifyWithNoble(verificationKey, publicSignals, proof),
        (error) => String(error.code),
      );
      // True where the exchange changed nothing: equal points, or a scalar of zero.
      expect([true, "WITNESS_UNSATISFIABLE"], `${section}: ${from} to ${to}`).toContain(outcome);
    }
  });
});
