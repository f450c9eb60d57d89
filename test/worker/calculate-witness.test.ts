import { readFile } from "node:fs/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { calculateWitness } from "../../worker/library.ts";
import { prepareProgram } from "../../worker/witness/tuning.ts";
import { type Fixture, smallFixture, smallInputs } from "./fixtures.ts";

vi.mock("../../worker/witness/tuning.ts", { spy: true });
const rewrites = () => vi.mocked(prepareProgram).mock.calls.length;

let small: Fixture;
let wasm: Buffer;
beforeEach(async () => {
  small = await smallFixture();
  wasm = await readFile(small.wasm);
  vi.mocked(prepareProgram).mockClear();
});

/** The same program with another hash: a custom section without a meaning at its end. */
const marked = (mark: number) => Buffer.concat([wasm, Uint8Array.of(0, 2, 1, mark)]);

describe("worker / calculateWitness", () => {
  it("does not rewrite a program again, whether its path or its bytes are given", async () => {
    const first = await calculateWitness(smallInputs(3), small.wasm);
    vi.mocked(prepareProgram).mockClear();
    for (const source of [small.wasm, wasm, { type: "mem", data: wasm } as const]) {
      expect(await calculateWitness(smallInputs(3), source)).toEqual(first);
    }
    expect(await calculateWitness(smallInputs(4), wasm)).not.toEqual(first);
    expect(rewrites()).toBe(0);
  });

  it("rewrites once for calls that begin at once", async () => {
    const bytes = marked(0x40);
    await Promise.all([1, 2, 3].map(() => calculateWitness(smallInputs(), bytes)));
    expect(rewrites()).toBe(1);
  });

  it("remembers the four programs that were used last", async () => {
    const programs = [0x61, 0x62, 0x63, 0x64, 0x65].map(marked);
    const [a, b, c, d, e] = programs as [Buffer, Buffer, Buffer, Buffer, Buffer];
    for (const program of [a, b, c, d, a, e]) await calculateWitness(smallInputs(), program);
    expect(rewrites()).toBe(5);
    for (const program of [a, c, d, e]) await calculateWitness(smallInputs(), program);
    expect(rewrites()).toBe(5);
    await calculateWitness(smallInputs(), b);
    expect(rewrites()).toBe(6);
  });

  it("tells a program by its bytes: a buffer that was changed is another program", async () => {
    const bytes = marked(0x70);
    await calculateWitness(smallInputs(), bytes);
    bytes.fill(0);
    await expect(calculateWitness(smallInputs(), bytes)).rejects.toMatchObject({
      code: "ARTEFACT_MISMATCH",
    });
  });

  it("goes on with a program whose inputs broke a rule", async () => {
    const before = await calculateWitness(smallInputs(), wasm);
    await expect(calculateWitness(smallInputs(70_000), wasm)).rejects.toMatchObject({
      code: "WITNESS_UNSATISFIABLE",
    });
    expect(await calculateWitness(smallInputs(), wasm)).toEqual(before);
  });
});
