import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type CompileOptions,
  compileCircuit,
  compileSource,
  isCompiled,
  TEMPLATES,
} from "./compile.ts";
import { CircuitError, type CircuitParameters } from "./parameters.ts";
import { PUBLIC_SIGNALS } from "./signals.ts";

/** What a compiled circuit costs: deterministic, so it is committed and compared. */
export interface CircuitCosts {
  readonly constraints: number;
  readonly wires: number;
  /** The smallest power of two with room for all rows; time and memory of a proof follow it. */
  readonly domainLog2: number;
  /** Rows in use, in percent of 2^domainLog2, rounded to 0.1. */
  readonly fillPercent: number;
}

/** What one more transfer costs, chunks of the data commitment included. */
export interface MarginalCosts {
  /** Two sizes that lie one whole chunk of the commitment apart. */
  readonly transfers: readonly [number, number];
  readonly constraints: readonly [number, number];
  /** Exact, rounded to 0.01. */
  readonly perTransfer: number;
}

/** Every template, by the main component that is measured. */
export const MEASURED_TEMPLATES: readonly TemplateCall[] = [
  { file: "account", call: "Leaf()" },
  { file: "account", call: "PkHash()" },
  { file: "at-least-constant", call: "AtLeastConstant(254, 1000)" },
  { file: "challenge-bits", call: "ChallengeBits()" },
  { file: "commitment", call: "Commitment(15, 1)" },
  { file: "demultiplex", call: "Demultiplex(6)" },
  { file: "double-and-add", call: "DoubleAndAdd()" },
  { file: "eight-times-key", call: "EightTimesKey()" },
  { file: "evaluation", call: "Evaluation(15)" },
  { file: "fee-slot", call: "FeeSlot(8, 3)" },
  { file: "fixed-base-multiplication", call: "FixedBaseMultiplication()" },
  { file: "l1-slot", call: "L1Slot(8, 3)" },
  { file: "node-update", call: "NodeUpdate()" },
  { file: "non-zero-if", call: "NonZeroIf()" },
  { file: "path-update", call: "PathUpdate(8, 3)" },
  { file: "poseidon-after-first-layer", call: "PoseidonAfterFirstLayer(4)" },
  { file: "select", call: "Select(6)" },
  { file: "signature", call: "Signature()" },
  { file: "subgroup-scalar", call: "SubgroupScalar()" },
  { file: "top-root", call: "TopRoot(3)" },
  { file: "transfer-slot", call: "TransferSlot(8, 3)" },
  { file: "variable-base-multiplication", call: "VariableBaseMultiplication()" },
];

export interface TemplateCall {
  /** Under circuits/lib, without extension. */
  readonly file: string;
  /** Template and arguments. */
  readonly call: string;
  readonly publicInputs?: readonly string[];
}

/** The main component that measures or tests one template alone. */
export function templateSource({ file, call, publicInputs = [] }: TemplateCall): string {
  const declared = publicInputs.length === 0 ? "" : ` {public [${publicInputs.join(", ")}]}`;
  return `pragma circom 2.2.0;\ninclude "${file}.circom";\ncomponent main${declared} = ${call};\n`;
}

/** Constraints of each of `MEASURED_TEMPLATES`, by call. Compiles under `outDir`. */
export async function templateCosts(
  outDir: string,
  options: CompileOptions = {},
): Promise<Record<string, number>> {
  const costs: Record<string, number> = {};
  for (const template of MEASURED_TEMPLATES) {
    const folder = join(outDir, template.call.replaceAll(/\W+/g, "_"));
    const source = templateSource(template);
    const { r1csPath } = await compileSource(source, folder, { r1csOnly: true, ...options });
    costs[template.call] = (await readCounts(r1csPath)).constraints;
  }
  return costs;
}

/**
 * Costs of one circuit. Reads the constraints in `builtDir` if they are those of the present sources, and leaves
 * that folder alone if not: keys may lie there. Then it compiles into `outDir`.
 */
export async function circuitCosts(
  parameters: CircuitParameters,
  outDir: string,
  { builtDir, ...options }: CompileOptions & { readonly builtDir?: string } = {},
): Promise<CircuitCosts> {
  const isBuilt = builtDir !== undefined && (await isCompiled(parameters, builtDir, options));
  const folder = isBuilt ? builtDir : outDir;
  const { r1csPath } = await compileCircuit(parameters, folder, { r1csOnly: true, ...options });
  const { constraints, wires } = await readCounts(r1csPath);
  // Groth16 adds one row for the constant wire and one for each public signal.
  const rows = constraints + PUBLIC_SIGNALS.length + 1;
  const domainLog2 = Math.ceil(Math.log2(rows));
  return {
    constraints,
    wires,
    domainLog2,
    fillPercent: rounded((100 * rows) / 2 ** domainLog2, 1),
  };
}

/** Elements that one chunk of the data commitment takes; each transfer adds one element. */
const CHUNK = 15;

/** Marginal costs at one L1 slot. Compiles two circuits under `outDir`. */
export async function marginalCosts(
  dimensions: Pick<CircuitParameters, "levels" | "top">,
  outDir: string,
  options: CompileOptions = {},
): Promise<MarginalCosts> {
  const transfers = [1, 1 + CHUNK] as const;
  const [few, many] = transfers.map((nTx) => ({ ...dimensions, nTx, nDeposits: 1, id: "" })) as [
    CircuitParameters,
    CircuitParameters,
  ];
  const measure = async (parameters: CircuitParameters) => {
    const folder = join(outDir, `${parameters.nTx}_${parameters.levels}_${parameters.top}`);
    return (await circuitCosts(parameters, folder, options)).constraints;
  };
  const constraints = [await measure(few), await measure(many)] as const;
  const perTransfer = rounded((constraints[1] - constraints[0]) / CHUNK, 2);
  return { transfers, constraints, perTransfer };
}

/**
 * SHA-256 of all templates without comments and spacing: tells whether counts that are too slow to be recomputed
 * every time still belong to the present sources.
 */
export async function templatesDigest(): Promise<string> {
  const hash = createHash("sha256");
  const names = (await readdir(TEMPLATES)).filter((name) => name.endsWith(".circom")).sort();
  for (const name of names) {
    const source = await readFile(join(TEMPLATES, name), "utf8");
    hash.update(`${name}\n${source.replaceAll(/\/\/.*$/gm, "").replaceAll(/\s+/g, " ")}\n`);
  }
  return hash.digest("hex");
}

/**
 * Counts from the header of an `.r1cs` file, without reading its constraints.
 *
 * Format: github.com/iden3/r1csfile, doc/r1cs_bin_format.md (version 1).
 *
 * @throws CircuitError if the file has no header section.
 */
async function readCounts(path: string): Promise<{ constraints: number; wires: number }> {
  const HEADER_SECTION = 1;
  const file = await open(path);
  try {
    let at = 12; // magic, version, number of sections
    for (;;) {
      const section = await readAt(file, at, 12);
      if (section === undefined)
        throw new CircuitError(`${path}: no header section; compile again.`);
      if (section.getUint32(0, true) === HEADER_SECTION) break;
      at += 12 + Number(section.getBigUint64(4, true));
    }
    const fieldBytes = (await readAt(file, at + 12, 4))?.getUint32(0, true) ?? 0;
    // after the prime: wires, outputs, public inputs, private inputs (u32 each), labels (u64), constraints (u32)
    const counts = await readAt(file, at + 16 + fieldBytes, 28);
    if (counts === undefined) throw new CircuitError(`${path}: truncated header; compile again.`);
    return { wires: counts.getUint32(0, true), constraints: counts.getUint32(24, true) };
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, at: number, bytes: number): Promise<DataView | undefined> {
  const buffer = new Uint8Array(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, at);
  return bytesRead === bytes ? new DataView(buffer.buffer) : undefined;
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
