import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { G1, G2 } from "../../worker/curve.ts";
import type { CompiledKernels } from "../../worker/engines/wasm/kernels.ts";
import { loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import { BASE_FIELD, SCALAR_FIELD, toBytesLE } from "../../worker/field.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { verificationKeyFromJson, verificationKeyToJson } from "../../worker/verification-key.ts";
import { DEV_KEY_MARKER, parseZkey } from "../../worker/zkey.ts";
import { type Fixture, smallFixture } from "./fixtures.ts";
import { EditableFile, eventualOutcomeOf, outcomeOf } from "./key-file.ts";
import { g1Bytes, g2Bytes } from "./synthetic-key.ts";

const HEADER = 2;
const IC = 3;
const COEFFICIENTS = 4;
const CONTRIBUTIONS = 10;
/** Where things lie in the header section. */
const AT = { n8q: 0, q: 4, n8r: 36, r: 40, nVars: 72, nPublic: 76, domainSize: 80, alpha1: 84 };
const [BETA1, BETA2, GAMMA2, DELTA1, DELTA2] = [148, 212, 340, 468, 532] as const;

const tower = Tower.open();
let fixture: Fixture;
let bytes: Uint8Array;
let file: EditableFile;
let kernels: CompiledKernels;
beforeAll(async () => {
  fixture = await smallFixture();
  bytes = new Uint8Array(await readFile(fixture.key));
  file = new EditableFile(bytes, "zkey", 1);
  ({ kernels } = await openWasm());
});

/** What bigints say of a file, and the engine "wasm", which must be the same. */
async function outcome(damaged: Uint8Array): Promise<string> {
  const ofBigints = outcomeOf(() => parseZkey(damaged));
  const ofKernels = await eventualOutcomeOf(() => loadSharedKey(damaged, kernels, { tower }));
  return ofKernels === ofBigints ? ofBigints : `${ofBigints}, but ${ofKernels} by kernels`;
}

describe("worker / zkey", () => {
  it("reads the counts, points and sections of a snarkjs key", () => {
    const zkey = parseZkey(bytes);
    expect([zkey.nVars, zkey.nPublic, zkey.domainSize]).toEqual([31, 2, 32]);
    expect(zkey.verificationKey.gamma2).toEqual(G2.generator);
    expect(zkey.verificationKey.ic).toHaveLength(3);
    expect([zkey.a, zkey.b1, zkey.c, zkey.h].map(({ length }) => length / 64)).toEqual([
      31, 31, 28, 32,
    ]);
    expect(zkey.b2.length / 128).toBe(31);
    expect(zkey.isDevKey).toBe(false);
  });

  it("knows a development key by its mark, wherever the mark stands in the contributions", async () => {
    expect(parseZkey(new Uint8Array(await readFile(fixture.devKey))).isDevKey).toBe(true);
    const marked = file.with(CONTRIBUTIONS, (section) =>
      Buffer.concat([section, Buffer.from([1, 2, 3]), DEV_KEY_MARKER, Buffer.from([4])]),
    );
    expect(parseZkey(marked).isDevKey).toBe(true);
  });

  it("reads a key from shared memory", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    expect(parseZkey(shared).verificationKey).toEqual(parseZkey(bytes).verificationKey);
  });

  it("refuses a key without contribution, where delta equals gamma, with KEY_REFUSED", async () => {
    expect(await outcome(new Uint8Array(await readFile(fixture.freshKey)))).toBe("KEY_REFUSED");
  });

  it("refuses a file that is cut off anywhere", async () => {
    for (let length = 0; length < bytes.length; length += 1 + (length >> 5)) {
      expect(await outcome(bytes.subarray(0, length)), `${length} bytes`).toBe("KEY_MALFORMED");
    }
    expect(await outcome(bytes.subarray(0, -1))).toBe("KEY_MALFORMED");
  });

  it("refuses a file without one of its sections, and one that is too short or too long", async () => {
    for (const type of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const damages = {
        dropped: file.with(type, () => undefined),
        empty: file.with(type, () => new Uint8Array(0)),
        short: file.with(type, (section) => section.subarray(0, -1)),
        long: file.with(type, (section) => Buffer.concat([section, new Uint8Array(1)])),
      };
      for (const [name, damaged] of Object.entries(damages)) {
        expect(await outcome(damaged), `section ${type} ${name}`).toBe("KEY_MALFORMED");
      }
    }
    expect(await outcome(file.with(CONTRIBUTIONS, () => undefined))).toBe("KEY_MALFORMED");
    expect(await outcome(file.with(CONTRIBUTIONS, (s) => s.subarray(0, 67)))).toBe("KEY_MALFORMED");
  });

  it("refuses another proof system, another curve and other element sizes", async () => {
    const damages = {
      plonk: file.withWord(1, 0, 2),
      n8q: file.withWord(HEADER, AT.n8q, 48),
      q: file.withBytes(HEADER, AT.q, toBytesLE(SCALAR_FIELD)),
      n8r: file.withWord(HEADER, AT.n8r, 48),
      r: file.withBytes(HEADER, AT.r, toBytesLE(BASE_FIELD)),
    };
    for (const [name, damaged] of Object.entries(damages)) {
      expect(await outcome(damaged), name).toBe("KEY_MALFORMED");
    }
  });

  it("refuses counts that do not fit, and a domain that is not a power of two", async () => {
    const wild = [0, 1, 2, 30, 33, 0x7fff_ffff, 0xffff_ffff];
    for (const offset of [AT.nVars, AT.nPublic, AT.domainSize]) {
      for (const value of wild) {
        if (offset === AT.nPublic && value === 2) continue;
        const damaged = file.withWord(HEADER, offset, value);
        expect(await outcome(damaged), `${value} at ${offset}`).toBe("KEY_MALFORMED");
      }
    }
  });

  it("refuses more public signals than anybody can want, before it looks for their points", async () => {
    const damaged = file.with(HEADER, (section) => {
      const view = new DataView(section.buffer);
      view.setUint32(AT.nVars, 2 ** 16 + 2, true);
      view.setUint32(AT.nPublic, 2 ** 16 + 1, true);
      return section;
    });
    expect(await outcome(damaged)).toBe("KEY_REFUSED");
  });

  it("refuses a domain that is not a power of two, though the section fits it", () => {
    const shorter = file.with(9, (section) => section.subarray(0, 24 * 64));
    const damaged = new EditableFile(shorter, "zkey", 1).withWord(HEADER, AT.domainSize, 24);
    expect(() => parseZkey(damaged)).toThrow("domain size 24");
  });

  it("refuses wild coefficients: count, matrix, constraint, signal, value", async () => {
    const damages = {
      "count + 1": file.with(COEFFICIENTS, (section) => {
        const view = new DataView(section.buffer);
        view.setUint32(0, view.getUint32(0, true) + 1, true);
        return section;
      }),
      "count 2^32 - 1": file.withWord(COEFFICIENTS, 0, 0xffff_ffff),
      "matrix 2": file.withWord(COEFFICIENTS, 4, 2),
      "constraint = domain size": file.withWord(COEFFICIENTS, 8, 32),
      "constraint 2^32 - 1": file.withWord(COEFFICIENTS, 8, 0xffff_ffff),
      "signal = nVars": file.withWord(COEFFICIENTS, 12, 31),
      "signal 2^31": file.withWord(COEFFICIENTS, 12, 0x8000_0000),
      "value = r": file.withBytes(COEFFICIENTS, 16, toBytesLE(SCALAR_FIELD)),
    };
    for (const [name, damaged] of Object.entries(damages)) {
      expect(await outcome(damaged), name).toBe("KEY_MALFORMED");
    }
  });

  it("refuses a point off the curve in any section, at its beginning and its end", async () => {
    const off = { x: 1n, y: 3n };
    for (const [type, size] of [
      [IC, 64],
      [5, 64],
      [6, 64],
      [7, 128],
      [8, 64],
      [9, 64],
    ] as const) {
      const point = size === 64 ? g1Bytes(off) : g2Bytes({ x: [1n, 0n], y: [3n, 0n] });
      for (const at of [0, file.section(type).length - size]) {
        expect(await outcome(file.withBytes(type, at, point)), `section ${type} at ${at}`).toBe(
          "KEY_MALFORMED",
        );
      }
    }
    for (const at of [AT.alpha1, BETA1, DELTA1]) {
      expect(await outcome(file.withBytes(HEADER, at, g1Bytes(off))), `header ${at}`).toBe(
        "KEY_MALFORMED",
      );
    }
    for (const at of [BETA2, GAMMA2, DELTA2]) {
      const point = g2Bytes({ x: [1n, 0n], y: [3n, 0n] });
      expect(await outcome(file.withBytes(HEADER, at, point)), `header ${at}`).toBe(
        "KEY_MALFORMED",
      );
    }
  });

  it("refuses coordinates that are not canonical, though they name a point of the curve", async () => {
    for (const type of [IC, 5, 6, 7, 8, 9]) {
      // The first coordinate that is not part of a point at infinity, in another spelling.
      const section = file.section(type);
      const at = 32 * Math.floor(section.findIndex((byte) => byte !== 0) / 32);
      const aliased = addLE(section.subarray(at, at + 32), BASE_FIELD);
      expect(await outcome(file.withBytes(type, at, aliased)), `section ${type}`).toBe(
        "KEY_MALFORMED",
      );
    }
    for (const at of [AT.alpha1, BETA1, BETA2, GAMMA2, DELTA1, DELTA2]) {
      const point = file.section(HEADER).slice(at, at + 32);
      const aliased = addLE(point, BASE_FIELD);
      expect(await outcome(file.withBytes(HEADER, at, aliased)), `header ${at}`).toBe(
        "KEY_MALFORMED",
      );
    }
  });

  it("refuses infinity for alpha, beta, gamma and delta, and accepts it in the sections", async () => {
    for (const at of [AT.alpha1, BETA2, GAMMA2, DELTA2]) {
      const zero = at === AT.alpha1 ? g1Bytes(G1.infinity) : g2Bytes(G2.infinity);
      expect(await outcome(file.withBytes(HEADER, at, zero)), `header ${at}`).toBe("KEY_MALFORMED");
    }
    for (const type of [5, 6, 8, 9]) {
      expect(await outcome(file.withBytes(type, 0, g1Bytes(G1.infinity)))).toBe("accepted");
    }
    expect(await outcome(file.withBytes(7, 0, g2Bytes(G2.infinity)))).toBe("accepted");
  });
});

describe("worker / verification key", () => {
  it("survives snarkjs's JSON", () => {
    const { verificationKey } = parseZkey(bytes);
    const json = JSON.parse(JSON.stringify(verificationKeyToJson(verificationKey)));
    expect(verificationKeyFromJson(json)).toEqual(verificationKey);
  });

  it("refuses what is not a sound key", () => {
    const good = verificationKeyToJson(parseZkey(bytes).verificationKey);
    const off = ["1", "3", "1"];
    const damages: Record<string, unknown> = {
      "not an object": 7,
      null: null,
      protocol: { ...good, protocol: "plonk" },
      curve: { ...good, curve: "bls12381" },
      "nPublic too large": { ...good, nPublic: 3 },
      "no IC": { ...good, nPublic: -1, IC: [] },
      "alpha off the curve": { ...good, vk_alpha_1: off },
      "alpha infinite": { ...good, vk_alpha_1: ["0", "1", "0"] },
      "alpha not canonical": {
        ...good,
        vk_alpha_1: [String(BigInt(good.vk_alpha_1[0] as string) + BASE_FIELD), "2", "1"],
      },
      "IC off the curve": { ...good, IC: good.IC.with(1, off) },
      "beta missing": { ...good, vk_beta_2: undefined },
      "beta off the curve": {
        ...good,
        vk_beta_2: [
          ["1", "0"],
          ["3", "0"],
          ["1", "0"],
        ],
      },
    };
    for (const [name, damaged] of Object.entries(damages)) {
      const got = outcomeOf(() => verificationKeyFromJson(damaged));
      expect(got, name).toBe("KEY_MALFORMED");
    }
    const forgeable = { ...good, vk_delta_2: good.vk_gamma_2 };
    expect(outcomeOf(() => verificationKeyFromJson(forgeable))).toBe("KEY_REFUSED");
  });
});

/** Little-endian bytes of value + summand; the sum of two 254-bit numbers fits 32 bytes. */
function addLE(bytes: Uint8Array, summand: bigint): Uint8Array {
  const value = BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
  return toBytesLE(value + summand);
}
