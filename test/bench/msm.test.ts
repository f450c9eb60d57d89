import { readFile, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasMsm, openMsm } from "../../bench/msm.ts";
import { G1, G2 } from "../../worker/curve.ts";
import { ELEMENT_BYTES, readLE } from "../../worker/field.ts";
import { parseWtns } from "../../worker/wtns.ts";
import { G1_BYTES, G2_BYTES, parseZkey, readG1, readG2, type Zkey } from "../../worker/zkey.ts";
import { smallFixture, temporaryFolder } from "./small-fixture.ts";

let folder: string;
let zkey: Zkey;
let witness: Uint8Array;

beforeAll(async () => {
  folder = await temporaryFolder();
  const { zkeyPath, wtnsPath } = await smallFixture(folder);
  zkey = parseZkey(new Uint8Array(await readFile(zkeyPath)));
  witness = parseWtns(new Uint8Array(await readFile(wtnsPath)), zkey.nVars);
});

afterAll(() => rm(folder, { recursive: true }));

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);
const scalars = () =>
  Array.from({ length: zkey.nVars }, (_, i) => readLE(witness, i * ELEMENT_BYTES));

describe.each(["ffjavascript", "wasm", "wasm-plain"])("openMsm, %s", (engine) => {
  it("sums the key's sections with the witness, again and again", async () => {
    const msm = await openMsm(engine, zkey, witness);
    const [a, b2] = [viewOf(zkey.a), viewOf(zkey.b2)];
    const g1 = scalars().map((factor, i) => ({ point: readG1(a, i * G1_BYTES), factor }));
    const g2 = scalars().map((factor, i) => ({ point: readG2(b2, i * G2_BYTES), factor }));
    for (let again = 0; again < 2; again++) {
      expect(await msm.g1()).toEqual(G1.sum(g1));
      expect(await msm.g2()).toEqual(G2.sum(g2));
    }
  });
});

describe("openMsm", () => {
  it("refuses an engine that it does not know", async () => {
    expect(hasMsm("none")).toBe(false);
    await expect(openMsm("none", zkey, witness)).rejects.toThrow(RangeError);
  });
});
