import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { compileKernels } from "../../../worker/engines/wasm/kernels.ts";
import { f64x2 } from "../../../worker/kernels/instructions.ts";
import { PATHS } from "./vector-instance.ts";

describe("worker / kernels / paths", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("uses relaxed SIMD for the FMA representation, and for nothing else", () => {
    const relaxed = [vi.spyOn(f64x2, "relaxedMadd"), vi.spyOn(f64x2, "relaxedNmadd")];
    compileKernels({ representation: "extmul", revectorize: false });
    for (const instruction of relaxed) expect(instruction).not.toHaveBeenCalled();
    compileKernels({ representation: "fma", revectorize: false });
    for (const instruction of relaxed) expect(instruction).toHaveBeenCalled();
  });
});

const kernelsUrl = new URL("../../../worker/engines/wasm/kernels.ts", import.meta.url).href;
const COMPILE = `
  const { compileKernels } = await import(${JSON.stringify(kernelsUrl)});
  const { module } = compileKernels({ representation: "fma", revectorize: true });
  const functions = WebAssembly.Module.exports(module).map(({ name }) => name);
  console.log("exports: " + JSON.stringify(functions));
`;

/** Instructions of fused multiply-adds in the machine code of each kernel, by their width. */
async function fusedByKernel(): Promise<Map<string, { wide: number; narrow: number }>> {
  const child = spawn(
    process.execPath,
    ["--print-wasm-code", "--input-type=module", "--eval", COMPILE],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  /** By index; another module's functions come and go with the same ones, but have no such code. */
  const counts: { wide: number; narrow: number }[] = [];
  let names: string[] = [];
  let current = { wide: 0, narrow: 0 };
  for await (const line of createInterface({ input: child.stdout })) {
    const index = /^name: wasm-function\[(\d+)\]/.exec(line)?.[1];
    if (index !== undefined) {
      counts[Number(index)] ??= { wide: 0, narrow: 0 };
      current = counts[Number(index)] as typeof current;
    } else if (line.startsWith("exports: ")) {
      names = JSON.parse(line.slice("exports: ".length)) as string[];
    } else if (/ vf(n?)madd/.test(line)) {
      if (line.includes("ymm")) current.wide++;
      else current.narrow++;
    }
  }
  // No function is imported, and all are exported: exports are in the order of their indices.
  return new Map(names.map((name, i) => [name, counts[i] ?? { wide: 0, narrow: 0 }]));
}

/** Why the packing of kernels cannot be seen here. */
async function whyUnseen(): Promise<string | undefined> {
  const fma = PATHS.find(({ name }) => name === "fma, revectorized");
  if (fma?.whyUnavailable !== undefined) return fma.whyUnavailable;
  if (process.arch !== "x64") return `V8 has no revectorizer for ${process.arch}`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--v8-options"]);
  for (const option of ["--experimental-wasm-revectorize", "--print-wasm-code"]) {
    if (!stdout.includes(option)) return `this runtime has no option ${option}`;
  }
  return undefined;
}

describe("worker / kernels / revectorizer", () => {
  it("packs the halves of every kernel that counts, without a rest", async (context) => {
    const reason = await whyUnseen();
    if (reason !== undefined) return context.skip(reason);
    const fused = await fusedByKernel();
    const perGroup = [...["forward", "unwind", "finish", "tangent", "onCurve"]];
    const kernels = [
      ...perGroup.flatMap((name) => [`${name}1`, `${name}2`]),
      ...["norm2", "conjugate2", "multiplyQ", "scaleQ", "multiplyR", "scaleR"],
      ...["inFrequency", "inFrequencyReduced", "inTime", "inTimeReduced", "quotient"],
    ];
    for (const name of kernels) {
      expect(fused.get(name)?.wide, name).toBeGreaterThan(0);
      expect(fused.get(name)?.narrow, name).toBe(0);
    }
    // Kernels within a quad have nothing to pack, which shows that both widths are counted.
    expect(fused.get("turn")?.narrow).toBeGreaterThan(0);
  });
});
