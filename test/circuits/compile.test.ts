import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileSource } from "../../circuits/compile.ts";
import { CircuitError } from "../../circuits/parameters.ts";

const compileModule = import.meta.resolve("../../circuits/compile.ts");

const square = (exponent: number) => `pragma circom 2.2.0;
template Power() {
    signal input x;
    signal output y;
    signal squares[${exponent}];
    squares[0] <== x * x;
    for (var i = 1; i < ${exponent}; i++) {
        squares[i] <== squares[i - 1] * squares[i - 1];
    }
    y <== squares[${exponent - 1}] + x;
}
component main = Power();
`;

describe("circuits / compile", () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "compile-"));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  it("writes constraints and program, and leaves no other file behind", async () => {
    const folder = join(root, "whole");
    const paths = await compileSource(square(2), folder);
    expect(paths.isReused).toBe(false);
    expect((await readdir(folder)).sort()).toEqual([
      "circuit.r1cs",
      "circuit.sources",
      "circuit.wasm",
    ]);
    expect((await readFile(paths.r1csPath)).subarray(0, 4).toString()).toBe("r1cs");
    expect((await readFile(paths.wasmPath)).subarray(1, 4).toString()).toBe("asm");
  });

  it("gives the same bytes in another folder", async () => {
    const [a, b] = await Promise.all([
      compileSource(square(3), join(root, "a")),
      compileSource(square(3), join(root, "b")),
    ]);
    expect(await readFile(a.r1csPath)).toEqual(await readFile(b.r1csPath));
    expect(await readFile(a.wasmPath)).toEqual(await readFile(b.wasmPath));
  });

  it("compiles again only if a source has changed or a file is missing", async () => {
    const folder = join(root, "again");
    await compileSource(square(2), folder);
    expect((await compileSource(square(2), folder)).isReused).toBe(true);
    expect((await compileSource(square(3), folder)).isReused).toBe(false);
    const { wasmPath } = await compileSource(square(3), folder);
    await rm(wasmPath);
    expect((await compileSource(square(3), folder)).isReused).toBe(false);
    expect(existsSync(wasmPath)).toBe(true);
  });

  it("writes the program later if only the constraints were asked for at first", async () => {
    const folder = join(root, "partly");
    const first = await compileSource(square(2), folder, { r1csOnly: true });
    expect(existsSync(first.wasmPath)).toBe(false);
    expect((await compileSource(square(2), folder)).isReused).toBe(false);
    expect(existsSync(first.wasmPath)).toBe(true);
    expect((await compileSource(square(2), folder, { r1csOnly: true })).isReused).toBe(true);
  });

  it("does not leave a program beside constraints of other sources", async () => {
    const folder = join(root, "stale");
    const { wasmPath } = await compileSource(square(2), folder);
    await compileSource(square(3), folder, { r1csOnly: true });
    expect(existsSync(wasmPath)).toBe(false);
  });

  it("reports the compiler's words, and keeps what was there before", async () => {
    const folder = join(root, "broken");
    const { r1csPath } = await compileSource(square(2), folder);
    const before = await readFile(r1csPath);
    await writeFile(join(folder, "circuit.zkey"), "a key");
    const broken = square(2).replace("y <==", "y <== nothing +");
    const failure = compileSource(broken, folder);
    await expect(failure).rejects.toThrow(CircuitError);
    await expect(failure).rejects.toThrow(/nothing/);
    expect(await readFile(r1csPath)).toEqual(before);
    expect((await compileSource(square(2), folder)).isReused).toBe(true);
    expect((await readdir(folder)).sort()).toContain("circuit.zkey");
    expect((await readdir(folder)).some((name) => name.startsWith("compiling"))).toBe(false);
  });

  it("tells what it is doing", async () => {
    const lines: string[] = [];
    const progress = (line: string) => lines.push(line);
    await compileSource(square(4), join(root, "progress"), { progress });
    expect(lines[0]).toMatch(/circom2 0\.2\.23, circomlib 2\.0\.5/);
    expect(lines.join()).toMatch(/non-linear constraints: 4/);
  });

  it("gives the same bytes from another working folder", async () => {
    const including = `pragma circom 2.2.0;\ninclude "account.circom";\ncomponent main = Leaf();\n`;
    const here = await compileSource(including, join(root, "here"));
    const script = `
      import { compileSource } from ${JSON.stringify(compileModule)};
      await compileSource(${JSON.stringify(including)}, "there");`;
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: root });
    for (const name of ["circuit.r1cs", "circuit.wasm"]) {
      const there = await readFile(join(root, "there", name));
      expect(there).toEqual(await readFile(join(root, "here", name)));
    }
    expect(here.isReused).toBe(false);
  });

  it("names a compiler that cannot be run", async () => {
    const circomPath = join(root, "no-such-circom");
    const failure = compileSource(square(2), join(root, "native"), { circomPath });
    await expect(failure).rejects.toThrow(CircuitError);
    await expect(failure).rejects.toThrow(/no-such-circom/);
  });
});
