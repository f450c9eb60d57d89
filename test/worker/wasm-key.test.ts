import { createHash } from "node:crypto";
import { truncateSync, writeSync } from "node:fs";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeSections, readSections } from "../../worker/binfile.ts";
import { type KeySource, loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { openWasm, type WasmEngine } from "../../worker/engines/wasm.ts";
import { prove } from "../../worker/groth16.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns, parseWtns } from "../../worker/wtns.ts";
import { parseZkey, ZKEY_FORMAT, ZKEY_SECTION } from "../../worker/zkey.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { type Fixture, smallFixture, smallInputs } from "./fixtures.ts";
import { EditableFile, eventualOutcomeOf } from "./key-file.ts";

const tower = Tower.open();
let fixture: Fixture;
let bytes: Uint8Array;
let wtns: Uint8Array;
let engine: WasmEngine;
let folder: string;
beforeAll(async () => {
  fixture = await smallFixture();
  bytes = new Uint8Array(await readFile(fixture.key));
  const program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
  wtns = encodeWtns(program.calculate(smallInputs()));
  engine = await openWasm();
  folder = await mkdtemp(join(tmpdir(), "proofmill-key-"));
});
afterAll(() => rm(folder, { recursive: true }));

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

/** Whether a key that is loaded from here makes a proof that another library accepts. */
async function proves(source: KeySource): Promise<boolean> {
  const { shared, header } = await loadSharedKey(source, engine.kernels);
  const witness = parseWtns(wtns, header.nVars).slice();
  const resident = engine.adopt(shared);
  const { proof, publicSignals } = await prove(engine, { resident, ...header }, witness);
  return verifyWithNoble(parseZkey(bytes).verificationKey, publicSignals, proof);
}

describe("worker / wasm / loading a key", () => {
  it("loads it from bytes, shared bytes, any address, and a path", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const unaligned = new Uint8Array(bytes.length + 1).subarray(1);
    unaligned.set(bytes);
    for (const source of [bytes, Buffer.from(bytes), shared, unaligned, { path: fixture.key }]) {
      expect(await proves(source)).toBe(true);
      expect((await loadSharedKey(source, engine.kernels)).sha256).toBe(sha256(bytes));
    }
  });

  it("says the same of the header as parseZkey", async () => {
    const { a, b1, b2, c, h, coefficients, ...header } = parseZkey(bytes);
    expect((await loadSharedKey(bytes, engine.kernels)).header).toEqual(header);
    const dev = await loadSharedKey({ path: fixture.devKey }, engine.kernels);
    expect(dev.header.isDevKey).toBe(true);
  });

  it("takes sections in any order, sections of other types, and odd lengths", async () => {
    const sections = [...readSections(bytes, ZKEY_FORMAT)].map(([type, content]) => ({
      type,
      pieces: [content],
    }));
    const odd = { type: 77, pieces: [new Uint8Array(1_500_001)] };
    for (const order of [sections.toReversed(), [odd, ...sections], [...sections, odd]]) {
      expect(await proves(encodeSections("zkey", 1, order))).toBe(true);
    }
    const longer = new EditableFile(bytes, "zkey", 1).with(ZKEY_SECTION.contributions, (section) =>
      Buffer.concat([section, new Uint8Array(3)]),
    );
    expect(await proves(longer)).toBe(true);
  });

  it("shows progress that does not fall, up to 1", async () => {
    const seen: number[] = [];
    await loadSharedKey(bytes, engine.kernels, { onProgress: (done) => seen.push(done) });
    expect(seen.length).toBeGreaterThan(10);
    expect(seen).toEqual(seen.toSorted((x, y) => x - y));
    expect(seen[0]).toBeLessThan(0.1);
    expect(seen.at(-1)).toBe(1);
  });

  it("stops wherever it is asked to", async () => {
    let polls = 0;
    await loadSharedKey(bytes, engine.kernels, { isCancelled: () => ++polls < 0 });
    expect(polls).toBeGreaterThan(10);
    for (let stop = 1; stop <= polls; stop++) {
      let poll = 0;
      const isCancelled = () => ++poll >= stop;
      const got = await eventualOutcomeOf(() =>
        loadSharedKey({ path: fixture.key }, engine.kernels, { isCancelled, tower }),
      );
      expect(got, `at poll ${stop} of ${polls}`).toBe("CANCELLED");
    }
  });

  it("holds a file to its hash, and calls a damaged one a mismatch first", async () => {
    const load = (data: Uint8Array, hash: string) =>
      eventualOutcomeOf(() => loadSharedKey(data, engine.kernels, { sha256: hash, tower }));
    const damaged = bytes.slice(0, -1);
    expect(await load(bytes, sha256(bytes))).toBe("accepted");
    expect(await load(bytes, sha256(damaged))).toBe("ARTEFACT_MISMATCH");
    expect(await load(damaged, sha256(bytes))).toBe("ARTEFACT_MISMATCH");
    expect(await load(damaged, sha256(damaged))).toBe("KEY_MALFORMED");
    const fresh = new Uint8Array(await readFile(fixture.freshKey));
    expect(await load(fresh, sha256(fresh))).toBe("KEY_REFUSED");
    expect(await load(fresh, sha256(bytes))).toBe("ARTEFACT_MISMATCH");
  });
});

describe("worker / wasm / files of keys", () => {
  const load = (path: string) =>
    eventualOutcomeOf(() => loadSharedKey({ path }, engine.kernels, { tower }));

  it("refuses what is no file that it can read", async () => {
    expect(await load(join(folder, "missing"))).toBe("ARTEFACT_MISMATCH");
    expect(await load(folder)).toBe("ARTEFACT_MISMATCH");
    expect(await load("/dev/null")).toBe("ARTEFACT_MISMATCH");
    const empty = join(folder, "empty");
    await writeFile(empty, "");
    expect(await load(empty)).toBe("KEY_MALFORMED");
  });

  it("names the file and not its folder", async () => {
    const missing = loadSharedKey({ path: join(folder, "missing") }, engine.kernels);
    await expect(missing).rejects.toThrow(/^missing: cannot be read \(ENOENT\)/);
    await expect(missing).rejects.not.toThrow(folder);
  });

  /** Loads a copy, which `change` may change at the n-th look whether to stop. */
  async function loadWhile(n: number, change: (path: string) => void) {
    const path = join(folder, `changing-${n}`);
    await writeFile(path, bytes);
    let poll = 0;
    const isCancelled = () => {
      if (++poll === n) change(path);
      return false;
    };
    return eventualOutcomeOf(() => loadSharedKey({ path }, engine.kernels, { isCancelled, tower }));
  }

  it("refuses a file that becomes shorter while it is read", async () => {
    for (const n of [1, 5, 9]) {
      expect(await loadWhile(n, (path) => truncateSync(path, 100))).toBe("ARTEFACT_MISMATCH");
    }
  });

  it("refuses a file whose header changes after it was read", async () => {
    // Section 1 has 4 bytes; the header follows with its counts after two moduli.
    const header = 12 + 12 + 4 + 12;
    const handle = await open(join(folder, "changing-1"), "w+");
    try {
      const got = await loadWhile(1, () => {
        writeSync(handle.fd, new Uint8Array([30]), 0, 1, header + 72);
      });
      expect(got).toBe("KEY_MALFORMED");
    } finally {
      await handle.close();
    }
  });

  /** A key of any size that takes no space on disk: all points of its long sections are infinity. */
  async function sparseKey(nVars: number, domainSize: number): Promise<string> {
    const file = new EditableFile(bytes, "zkey", 1);
    const header = new DataView(file.section(ZKEY_SECTION.header).slice().buffer);
    header.setUint32(72, nVars, true);
    header.setUint32(80, domainSize, true);
    const sizes: [type: number, content: Uint8Array | number][] = [
      [ZKEY_SECTION.protocol, file.section(ZKEY_SECTION.protocol)],
      [ZKEY_SECTION.header, new Uint8Array(header.buffer)],
      [ZKEY_SECTION.coefficients, new Uint8Array(4)],
      [ZKEY_SECTION.ic, file.section(ZKEY_SECTION.ic)],
      [ZKEY_SECTION.a, 64 * nVars],
      [ZKEY_SECTION.b1, 64 * nVars],
      [ZKEY_SECTION.b2, 128 * nVars],
      [ZKEY_SECTION.c, 64 * (nVars - 3)],
      [ZKEY_SECTION.h, 64 * domainSize],
      [ZKEY_SECTION.contributions, file.section(ZKEY_SECTION.contributions)],
    ];
    const path = join(folder, `sparse-${nVars}`);
    await using target = await open(path, "w");
    const start = Buffer.alloc(12);
    start.write("zkey");
    start.writeUInt32LE(1, 4);
    start.writeUInt32LE(sizes.length, 8);
    await target.write(start, 0, 12, 0);
    let at = 12;
    for (const [type, content] of sizes) {
      const size = typeof content === "number" ? content : content.length;
      const head = Buffer.alloc(12);
      head.writeUInt32LE(type, 0);
      head.writeBigUInt64LE(BigInt(size), 4);
      await target.write(head, 0, 12, at);
      if (typeof content !== "number") await target.write(content, 0, size, at + 12);
      at += 12 + size;
    }
    await target.truncate(at);
    return path;
  }

  it("refuses a key of more than 4 GiB that no memory can hold, before it reads it", async () => {
    let looks = 0;
    const isCancelled = () => ++looks < 0;
    for (const path of [await sparseKey(10, 2 ** 26), await sparseKey(2 ** 26, 2)]) {
      const outcome = await eventualOutcomeOf(() =>
        loadSharedKey({ path }, engine.kernels, { isCancelled, tower }),
      );
      expect(outcome).toBe("KEY_REFUSED");
    }
    expect(looks).toBe(0);
  });

  it("loads what is left of a sparse key", async () => {
    expect(await load(await sparseKey(50_000, 2 ** 15))).toBe("accepted");
  });

  // Takes some 10 s and 1 GB of memory: HEAVY=1 asks for it.
  it.runIf(process.env.HEAVY === "1")(
    "loads a key from a file of more than 4 GiB, of which nearly all is infinity",
    async () => {
      const path = await sparseKey(14_000_000, 2 ** 10);
      expect(await load(path)).toBe("accepted");
    },
    300_000,
  );
});
