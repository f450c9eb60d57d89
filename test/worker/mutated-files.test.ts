/**
 * Whatever is in a file: a typed error, or a key and a witness with which true proofs are made. Never
 * an error of another kind, a proof that does not verify, a trap or an endless loop.
 *
 * PROOFMILL_TEST_SEED repeats a run; HEAVY=1 makes twenty times as many files.
 */
import { randomInt } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { G1, G2 } from "../../worker/curve.ts";
import { type KeySource, loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { openWasm, type WasmEngine } from "../../worker/engines/wasm.ts";
import { toBytesLE } from "../../worker/field.ts";
import { prove, residentKey } from "../../worker/groth16.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns, parseWtns } from "../../worker/wtns.ts";
import { parseZkey } from "../../worker/zkey.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { smallFixture, smallInputs } from "./fixtures.ts";
import { eventualOutcomeOf, outcomeOf } from "./key-file.ts";
import {
  type Container,
  damageBytes,
  damageSections,
  generator,
  type Random,
  WILD_NUMBERS,
} from "./mutation.ts";
import { g1Bytes, g2Bytes, syntheticZkey, zkeyFile } from "./synthetic-key.ts";

const WIRES = 31;
const seed = Number(process.env.PROOFMILL_TEST_SEED ?? randomInt(2 ** 31));
const scale = process.env.HEAVY === "1" ? 20 : 1;
const timeout = 120_000 * scale;

let zkey: Uint8Array;
let wtns: Uint8Array;
let keys: Container;
let witnesses: Container;
let engine: WasmEngine;
let folder: string;
const tower = Tower.open();
beforeAll(async () => {
  const fixture = await smallFixture();
  zkey = new Uint8Array(await readFile(fixture.key));
  const program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
  wtns = encodeWtns(program.calculate(smallInputs()));
  engine = await openWasm();
  folder = await mkdtemp(join(tmpdir(), "proofmill-fuzz-"));
  const ofOtherCircuit = zkeyFile(
    syntheticZkey({
      nVars: 4,
      domainSize: 8,
      a: [1n, 2n, 3n, 4n].map((k) => G1.multiply(G1.generator, k)),
      coefficients: [{ matrix: 1, constraint: 7, signal: 3, value: 5n }],
    }),
  );
  keys = {
    magic: "zkey",
    version: 1,
    others: [new Uint8Array(await readFile(fixture.devKey)), ofOtherCircuit],
    treasures: [
      ...WILD_NUMBERS,
      ...[G1.infinity, G1.generator, { x: 1n, y: 3n }].map(g1Bytes),
      ...[G2.infinity, G2.generator].map(g2Bytes),
      g2Bytes({ x: [1n, 0n], y: [3n, 0n] }),
    ],
  };
  // Values in range, but of no witness of this circuit.
  const values = Array.from({ length: WIRES }, (_, i) => toBytesLE(BigInt(i) + 1n));
  witnesses = {
    magic: "wtns",
    version: 2,
    others: [encodeWtns(new Uint8Array(Buffer.concat(values))), encodeWtns(toBytesLE(1n))],
    treasures: WILD_NUMBERS,
  };
});
afterAll(() => rm(folder, { recursive: true }));

const damage = (file: Uint8Array, kind: Container, random: Random) =>
  random(2) === 0 ? damageBytes(file, random) : damageSections(file, kind, random);

/** How often each thing happened. */
class Tally {
  readonly counts = new Map<string, number>();

  add(outcome: string): void {
    this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1);
  }

  /** All that happened besides what may happen. */
  beyond(...allowed: string[]): [string, number][] {
    return [...this.counts].filter(([outcome]) => !allowed.includes(outcome));
  }
}

describe(`worker / mutated files (seed ${seed})`, () => {
  it("has witness files accepted or refused with a typed error", () => {
    const random = generator(seed);
    const tally = new Tally();
    for (let i = 0; i < 6000 * scale; i++) {
      tally.add(outcomeOf(() => parseWtns(damage(wtns, witnesses, random), WIRES)));
    }
    tally.add(outcomeOf(() => parseWtns(new Uint8Array(0), WIRES)));
    expect(tally.beyond("WITNESS_MALFORMED", "accepted")).toEqual([]);
    expect(tally.counts.get("WITNESS_MALFORMED")).toBeGreaterThan(1000);
    expect(tally.counts.get("accepted")).toBeGreaterThan(100);
  });

  it(
    "has no witness make a wrong proof: it proves truly or is refused",
    async () => {
      const random = generator(seed + 1);
      const { shared, header } = await loadSharedKey(zkey, engine.kernels, { tower });
      const key = { resident: engine.adopt(shared), ...header };
      const tally = new Tally();
      for (let i = 0; i < 600 * scale; i++) {
        const mutant = damage(wtns, witnesses, random);
        if (outcomeOf(() => parseWtns(mutant, WIRES)) !== "accepted") continue;
        const outcome = await prove(engine, key, parseWtns(mutant, WIRES).slice()).then(
          ({ proof, publicSignals }) =>
            verifyWithNoble(header.verificationKey, publicSignals, proof)
              ? "proved"
              : "WRONG PROOF",
          (error) => String(error.code),
        );
        tally.add(outcome);
      }
      // A mutation may change nothing, such as zero to zero.
      expect(tally.beyond("WITNESS_UNSATISFIABLE", "proved")).toEqual([]);
      expect(tally.counts.get("WITNESS_UNSATISFIABLE")).toBeGreaterThan(10);
    },
    timeout,
  );

  it(
    "has keys refused alike by bigints and kernels, or make true proofs",
    async () => {
      const random = generator(seed + 2);
      const tally = new Tally();
      for (let i = 0; i < 1500 * scale; i++) {
        const mutant = damage(zkey, keys, random);
        const ofBigints = outcomeOf(() => parseZkey(mutant));
        let source: KeySource = mutant;
        if (i % 10 === 0) {
          source = { path: join(folder, "mutant.zkey") };
          await writeFile(source.path, mutant);
        }
        const loading = loadSharedKey(source, engine.kernels, { tower });
        const ofKernels = await eventualOutcomeOf(() => loading);
        if (ofKernels !== ofBigints) {
          tally.add(`${ofBigints}, but ${ofKernels} by kernels, for file ${i}`);
          continue;
        }
        tally.add(ofKernels);
        if (ofKernels !== "accepted") continue;
        const { shared, header } = await loading;
        const outcome = await eventualOutcomeOf(async () => {
          const key = { resident: engine.adopt(shared), ...header };
          const witness = parseWtns(wtns, header.nVars).slice();
          const { proof, publicSignals } = await prove(engine, key, witness);
          if (!verifyWithNoble(header.verificationKey, publicSignals, proof))
            throw new Error("WRONG");
        });
        tally.add(`accepted, then ${outcome}`);
      }
      const proofs = ["accepted", "WITNESS_UNSATISFIABLE", "WITNESS_MALFORMED"];
      expect(
        tally.beyond(
          "KEY_MALFORMED",
          "KEY_REFUSED",
          "accepted",
          ...proofs.map((outcome) => `accepted, then ${outcome}`),
        ),
      ).toEqual([]);
      expect(tally.counts.get("KEY_MALFORMED")).toBeGreaterThan(500);
      expect(tally.counts.get("accepted, then WITNESS_UNSATISFIABLE")).toBeGreaterThan(5);
    },
    timeout,
  );

  it("has no exchanged point of one section make a wrong proof", async () => {
    const random = generator(seed + 3);
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
