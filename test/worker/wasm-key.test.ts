import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { type KeySource, loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { openWasm, type WasmEngine } from "../../worker/engines/wasm.ts";
import { prove } from "../../worker/groth16.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns, parseWtns } from "../../worker/wtns.ts";
import { parseZkey } from "../../worker/zkey.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { type Fixture, smallFixture, smallInputs } from "./fixtures.ts";

let fixture: Fixture;
let bytes: Uint8Array;
let wtns: Uint8Array;
let engine: WasmEngine;
beforeAll(async () => {
  fixture = await smallFixture();
  bytes = new Uint8Array(await readFile(fixture.key));
  const program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
  wtns = encodeWtns(program.calculate(smallInputs()));
  engine = await openWasm();
});

describe("worker / wasm / loading a key", () => {
  it("proves with a key from bytes and from a path", async () => {
    const sources: KeySource[] = [bytes, { path: fixture.key }];
    for (const source of sources) {
      const { shared, header, sha256 } = await loadSharedKey(source, engine.kernels);
      expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
      const resident = engine.adopt(shared);
      const witness = parseWtns(wtns, header.nVars).slice();
      const { proof, publicSignals } = await prove(engine, { resident, ...header }, witness);
      const { verificationKey } = parseZkey(bytes);
      expect(verifyWithNoble(verificationKey, publicSignals, proof)).toBe(true);
    }
  });
});
